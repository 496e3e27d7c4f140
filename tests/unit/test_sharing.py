"""Graceful forgetting: a new task shares units of an earlier one within the stated budget."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pathways import (
    DataError,
    FrozenPathway,
    LearnConfig,
    PathwayId,
    ShareConfig,
    StoredPathway,
    TrainConfig,
    divide,
    learn,
    learn_sharing,
    load_source,
)
from tests.unit.networks import Sets
from tests.unit.revisions import SHARE, Stored, accuracy


@pytest.fixture(scope="module")
def shared(sets: Sets, stored: Stored) -> tuple[StoredPathway, StoredPathway, dict[str, Any]]:
    """(upper with 16 units of its own, lower's second version that it reads, the facts)."""
    revised = learn_sharing(
        PathwayId("upper"),
        sets["upper"][0],
        stored["lower"],
        stored["digits"],
        sets["lower"][0],
        SHARE,
        ShareConfig(budget=0.03, new_units=16),
        2,
    )
    new, changed = revised.pathways
    assert "new weights" in revised.summary
    return new, changed, dict(revised.facts)


def test_a_task_that_shares_units_needs_fewer_new_ones(
    sets: Sets, stored: Stored, shared: tuple[StoredPathway, StoredPathway, dict[str, Any]]
) -> None:
    new, changed, facts = shared
    own = 784 * 16 + 16 + 16 * 26 + 26 + 128 * 26
    assert (new.spec.id, new.spec.source) == (PathwayId("upper"), PathwayId("lower", 2))
    assert new.spec.parameters == facts["new_parameters"] == own
    assert facts["parameters_saved"] == 112 * (784 + 1 + 26)
    assert new.spec.active_parameters == own + 784 * 128 + 128
    test = sets["upper"][1]
    frozen = learn(
        PathwayId("upper"),
        sets["upper"][0],
        [load_source(stored["lower"])],
        replace(SHARE, options={"hidden": 16}),
    )
    assert accuracy(new, changed, test) > accuracy(frozen, stored["lower"], test)
    for pathway, source in ((new, changed), (changed, stored["digits"])):
        assert FrozenPathway.load(pathway, source).verify().identical


def test_the_earlier_task_stays_within_the_budget(
    sets: Sets, stored: Stored, shared: tuple[StoredPathway, StoredPathway, dict[str, Any]]
) -> None:
    _, changed, facts = shared
    assert (changed.spec.id, changed.spec.source) == (PathwayId("lower", 2), PathwayId("digits"))
    assert float(facts["loss"]) <= facts["budget"] == 0.03
    held_out = divide(sets["lower"][0], LearnConfig()).held_out
    assert held_out
    was, now = (
        accuracy(version, stored["digits"], held_out) for version in (stored["lower"], changed)
    )
    assert was - now <= 0.03
    assert changed.weights != stored["lower"].weights
    revision = changed.spec.revision
    assert revision and (revision.kind, revision.of) == ("shared", PathwayId("lower"))
    assert revision.facts == facts


def test_a_budget_that_cannot_be_met_is_an_error(sets: Sets, stored: Stored) -> None:
    """Nothing holds the earlier task's answers at a learning rate as high as this."""
    wild = replace(SHARE, train=TrainConfig(epochs=1, min_steps=0, learning_rate=1.0))
    message = "the budget of 0.0 % cannot be met: lower@1 loses at least .* learn the task without"
    with pytest.raises(DataError, match=message):
        learn_sharing(
            PathwayId("upper"),
            sets["upper"][0],
            stored["lower"],
            stored["digits"],
            sets["lower"][0],
            wild,
            ShareConfig(budget=0.0),
            2,
        )


def test_sharing_is_refused_without_the_earlier_task_s_data(sets: Sets, stored: Stored) -> None:
    def share(task: str, data: str, earlier: str | None, config: LearnConfig = SHARE) -> None:
        given = sets[earlier][0] if earlier else None
        learn_sharing(
            PathwayId(task),
            sets[data][0],
            stored["lower"],
            stored["digits"],
            given,
            config,
            ShareConfig(),
            2,
        )

    with pytest.raises(DataError, match="sharing changes lower@1: give data of lower"):
        share("upper", "upper", None)
    with pytest.raises(DataError, match="lower has the classes a, b"):
        share("upper", "upper", "digits")
    with pytest.raises(DataError, match="lower cannot share units with itself"):
        share("lower", "lower", "lower")
    with pytest.raises(DataError, match="units are shared between inputs of one kind"):
        share("spoken", "spoken", "lower")
    with pytest.raises(DataError, match="shots must not be 0"):
        share("upper", "upper", "lower", replace(SHARE, shots=0))
