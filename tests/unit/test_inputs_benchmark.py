"""The benchmark of tables, texts and numbers: what it counts, on the smallest real tables."""

from __future__ import annotations

import numpy as np
import pytest
from rich.console import Console

from benchmarks.inputs.cli import mean, show
from benchmarks.inputs.measure import Found, coverage, measure, r2
from benchmarks.inputs.tables import tables
from benchmarks.inputs.texts import LIBRARIES, TOKENS, texts
from tests.unit.kinds import kinds

SMALL = ("wine-10", "cancer-error", "diabetes")


@pytest.fixture(scope="module")
def found() -> dict[str, Found]:
    made = tables(seed=0)
    return {one.task: one for one in measure({name: made[name] for name in SMALL}, seed=0)}


def test_real_tables_of_one_width_are_told_apart(found: dict[str, Found]) -> None:
    for one in found.values():
        assert one.signature == "table-10"
        assert one.first > 0.9 and one.among_two >= one.first
        assert one.unknown < 0.1
        assert one.unknown_if_new is not None and one.unknown_if_new > 0.8
        assert one.unknown_noise > 0.8


def test_classes_are_scored_by_accuracy_and_numbers_by_r2(found: dict[str, Found]) -> None:
    assert found["wine-10"].told > 0.9 and found["wine-10"].coverage is None
    diabetes = found["diabetes"]
    assert diabetes.output == "number" and 0.2 < diabetes.told < 0.7
    assert diabetes.coverage is not None and 0.7 < diabetes.coverage <= 1
    assert diabetes.forest is not None and 0.2 < diabetes.forest < 0.7


def test_a_task_without_others_of_its_kind_has_none_to_be_taken_for() -> None:
    (alone,) = measure({"iris": tables(seed=0)["iris"]}, seed=0)
    assert alone.unknown_if_new is None


def test_seeds_are_averaged_and_shown(found: dict[str, Found]) -> None:
    one = found["wine-10"]
    averaged = mean([one, one])
    assert averaged == one
    console = Console(record=True, width=140)
    show([averaged, found["diabetes"]], console)
    said = console.export_text()
    assert "wine-10" in said and f"{100 * one.told:.1f}" in said
    assert f"{found['diabetes'].told:.3f}" in said


def test_r2_and_coverage_are_what_they_say() -> None:
    data = kinds(n=40)["houses"][1]
    assert data.values is not None
    exact = np.stack([data.values, np.ones_like(data.values)], axis=1)
    assert r2(exact[:, 0], data.values) == 1 and coverage(exact, data) == 1
    off = exact + np.array([2, 0], np.float32)
    assert coverage(off, data) == 0


def test_texts_are_documentation_that_is_in_one_part_only() -> None:
    for task, (train, test) in texts().items():
        assert train.labels == test.labels == LIBRARIES[task]
        assert train.x.shape[1] == TOKENS
        seen = {row.tobytes() for row in train.x}
        assert not [row for row in test.x if row.tobytes() in seen]
