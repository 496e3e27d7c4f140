"""Revisions: what held-out examples prove, and what settings may be."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest

from pathways import (
    DataError,
    ImproveConfig,
    Progress,
    PruneConfig,
    ShareConfig,
    StoredPathway,
    TaskData,
    TrainConfig,
)
from pathways.revising.examples import part
from pathways.revising.known import data_of
from pathways.revising.proof import compare, needed_gains, repeated
from pathways.revising.searching import least_that_holds
from tests.unit.networks import Sets


def test_a_clear_gain_is_proven_and_a_lucky_one_is_not() -> None:
    before, clear, lucky = np.zeros(40, bool), np.zeros(40, bool), np.zeros(40, bool)
    before[30:] = True
    clear[:12], clear[30:] = True, True
    lucky[:6], lucky[34:] = True, True
    assert compare(before, clear).p_value() == pytest.approx(0.5**12)
    paired = compare(before, lucky)
    assert (paired.gained, paired.lost) == (6, 4)
    assert paired.p_value() == pytest.approx(0.377, abs=1e-3)
    assert paired.loss == pytest.approx(-2 / 40)


def test_equal_versions_prove_nothing() -> None:
    same = np.arange(30) % 2 == 0
    assert compare(same, same).p_value() == 1.0


@pytest.mark.parametrize(("significance", "needed"), [(0.05, 5), (0.01, 7), (0.5, 1)])
def test_a_proof_needs_some_gains_at_least(significance: float, needed: int) -> None:
    assert needed_gains(significance) == needed
    wrong, right = np.zeros(100, bool), np.arange(100) < needed
    assert compare(wrong, right).p_value() <= significance
    assert compare(wrong, np.arange(100) < needed - 1).p_value() > significance


def test_inputs_in_both_parts_are_found(sets: Sets) -> None:
    train, test = sets["digits"]
    mixed = replace(test, x=np.concatenate([train.x[7:9], test.x[2:]]))
    assert np.flatnonzero(repeated(mixed, train)).tolist() == [0, 1]


def test_data_s_classes_may_be_in_any_order(sets: Sets, stored: dict[str, StoredPathway]) -> None:
    train, _ = sets["lower"]
    spec = stored["lower"].spec
    last = len(train.labels) - 1
    turned = replace(train, y=last - train.y, labels=train.labels[::-1])
    assert data_of(spec, train) is train
    found = data_of(spec, turned)
    assert (found.labels, found.y.tolist()) == (train.labels, train.y.tolist())
    some = part(spec, turned, None, 0.1)
    assert some.held_out.y.tolist() == part(spec, train, None, 0.1).held_out.y.tolist()


@pytest.mark.parametrize(
    ("second", "wanted", "loss"),
    [
        ([9, 9, 9, 1, 1, 1, 1, 1], 4, 0.1),
        ([9, 9, 9, 9, 9, 9, 1, 1], 7, 0.2),
        ([9, 9, 9, 9, 9, 9, 9, 8], 8, 0.8),
    ],
)
def test_what_one_half_finds_the_other_must_confirm(
    sets: Sets, second: list[int], wanted: int, loss: float
) -> None:
    first = [9, 9, 9, 1, 2, 2, 2, 2]
    parts = sets["digits"]
    made: list[int] = []

    def make(option: int, report: Callable[[Progress], None]) -> int:
        made.append(option)
        return option

    def judge(option: int, data: TaskData) -> Any:
        lost = (first if data is parts[0] else second)[option - 1]
        return compare(np.arange(10) < 10, np.arange(10) >= lost)

    found = least_that_holds(range(1, 9), make, judge, parts, 0.2, lambda progress: None)
    assert (found.option, found.loss) == (wanted, pytest.approx(loss))
    assert len(made) == len(set(made))


@pytest.mark.parametrize(
    "config", [ImproveConfig(shots=10), PruneConfig(keep=3), ShareConfig(new_units=2)]
)
def test_a_config_survives_json(config: Any) -> None:
    fields = json.loads(json.dumps(asdict(config)))
    if "train" in fields:
        fields["train"] = TrainConfig(**fields["train"])
    assert type(config)(**fields) == config


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ImproveConfig(threshold=0.0), "threshold must lie above 0 and up to 1, got 0.0"),
        (lambda: ImproveConfig(significance=1.0), "significance must lie between 0 and 1"),
        (lambda: ImproveConfig(shots=0), "shots must be 1 or more, got 0"),
        (lambda: ImproveConfig(held_out_share=0.0), "held_out_share must lie between 0 and 1"),
        (lambda: PruneConfig(max_loss=1.0), "max_loss must be at least 0 and under 1, got 1.0"),
        (lambda: ShareConfig(budget=-0.1), "budget must be at least 0 and under 1, got -0.1"),
        (lambda: ShareConfig(new_units=0), "new_units must be 1 or more, got 0"),
    ],
)
def test_settings_out_of_range_are_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        make()
