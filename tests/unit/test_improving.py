"""Backward transfer: a version is offered only where held-out examples prove it better."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pathways import (
    DataError,
    FrozenPathway,
    ImproveConfig,
    LearnConfig,
    PathwayId,
    PathwaySpec,
    Progress,
    StoredPathway,
    divide,
    improve,
    learn,
    load_source,
)
from pathways.revising.proof import repeated
from tests.unit.networks import Sets
from tests.unit.revisions import FEW, IMPROVE, SHORT, Stored, accuracy, bytes_of


@pytest.fixture(scope="module")
def few(sets: Sets) -> StoredPathway:
    """lower, learned from five examples a class."""
    return learn(PathwayId("lower"), sets["lower"][0], [], FEW)


def test_a_task_learned_from_few_examples_gains_from_a_later_one(
    sets: Sets, few: StoredPathway, stored: Stored
) -> None:
    train, test = sets["lower"]
    before = bytes_of(stored | {"few": few})
    revised = improve(few, None, train, [load_source(stored["upper"])], IMPROVE, 2)
    (better,) = revised.pathways
    assert better.spec.id == PathwayId("lower", 2)
    assert better.spec.source == PathwayId("upper")
    assert {link.target_class for link in better.spec.links} >= {
        better.spec.labels.index(label) for label in "os"
    }
    assert accuracy(better, stored["upper"], test) > accuracy(few, None, test) + 0.05
    assert FrozenPathway.load(better, stored["upper"]).verify().identical
    assert bytes_of(stored | {"few": few}) == before


def test_tasks_that_help_each_other_make_no_cycle(sets: Sets, few: StoredPathway) -> None:
    """A link reads one body of a version that is frozen, and nothing that that version reads."""
    how = LearnConfig(threshold=0.3, train=SHORT)
    later = learn(PathwayId("upper"), sets["upper"][0], [load_source(few)], how)
    assert later.spec.source == PathwayId("lower")
    (better,) = improve(few, None, sets["lower"][0], [load_source(later)], IMPROVE, 2).pathways
    assert (better.spec.id, better.spec.source) == (PathwayId("lower", 2), PathwayId("upper"))
    assert FrozenPathway.load(better, later).verify().identical  # without lower@1
    assert FrozenPathway.load(later, few).verify().identical


def test_an_improvement_tells_what_was_measured(
    sets: Sets, few: StoredPathway, stored: Stored
) -> None:
    train, _ = sets["lower"]
    helpers = [load_source(stored[name]) for name in ("fashion", "upper")]
    revised = improve(few, None, train, helpers, IMPROVE, 2)
    (better,) = revised.pathways
    facts, revision = revised.facts, better.spec.revision
    assert revision and (revision.kind, revision.of) == ("improved", PathwayId("lower", 1))
    assert revision.facts == facts
    held_out = divide(train, FEW).held_out
    assert held_out and facts["held_out_examples"] == len(held_out)
    assert facts["accuracy_before"] == pytest.approx(accuracy(few, None, held_out))
    assert facts["accuracy_after"] == pytest.approx(accuracy(better, stored["upper"], held_out))
    assert float(facts["p_value"]) <= 0.05
    assert (facts["training_examples"], facts["helper"]) == (26 * 5, "upper@1")
    assert revised.summary.startswith("better: ")
    assert PathwaySpec.from_json(better.spec.to_json()) == better.spec


def test_a_start_is_not_chosen_by_what_the_version_in_service_has_seen(
    sets: Sets, few: StoredPathway, stored: Stored
) -> None:
    """It has seen all of its five examples a class, so a start that keeps what it says would
    look best on any of them."""
    revised = improve(few, None, sets["lower"][0], [load_source(stored["upper"])], IMPROVE, 2)
    assert revised.facts["start"] in ("as the helper", "links alone")


def test_improving_repeats_bit_for_bit(sets: Sets, few: StoredPathway, stored: Stored) -> None:
    helpers = [load_source(stored["upper"])]
    once, again = (improve(few, None, sets["lower"][0], helpers, IMPROVE, 2) for _ in range(2))
    assert once.pathways[0].weights == again.pathways[0].weights
    assert once.facts == again.facts


def test_what_is_not_proven_better_is_not_offered(sets: Sets, stored: Stored) -> None:
    """upper was learned in full; from five examples a class it only gets worse."""
    revised = improve(
        stored["upper"],
        stored["lower"],
        sets["upper"][0],
        [load_source(stored["lower"])],
        replace(IMPROVE, train=replace(SHORT, min_steps=3)),
        2,
    )
    assert revised.pathways == ()
    assert revised.summary.startswith("not better: ")
    assert float(revised.facts["p_value"]) > 0.05


def test_where_no_class_is_alike_nothing_is_tried(
    sets: Sets, few: StoredPathway, stored: Stored
) -> None:
    config = replace(IMPROVE, threshold=1.0)
    revised = improve(few, None, sets["lower"][0], [load_source(stored["fashion"])], config, 2)
    assert revised.pathways == ()
    assert "no class of lower@1 looks like one of fashion@1" in revised.summary


def test_progress_is_told_as_epochs_of_all_trainings(
    sets: Sets, few: StoredPathway, stored: Stored
) -> None:
    told: list[Progress] = []
    improve(few, None, sets["lower"][0], [load_source(stored["upper"])], IMPROVE, 2, told.append)
    assert [p.epoch for p in told] == sorted(p.epoch for p in told)
    assert told[-1].epoch == told[-1].epochs


def test_held_out_examples_of_the_user_s_own_decide(
    sets: Sets, few: StoredPathway, stored: Stored
) -> None:
    train, test = sets["lower"]
    helpers = [load_source(stored["upper"])]
    revised = improve(few, None, train, helpers, IMPROVE, 2, held_out=test)
    assert revised.facts["accuracy_before"] == pytest.approx(accuracy(few, None, test))
    assert revised.pathways[0].spec.training.held_out_share == 0.0


def test_held_out_examples_that_were_trained_on_are_refused(
    sets: Sets, few: StoredPathway, stored: Stored
) -> None:
    train, test = sets["lower"]
    x = test.x.copy()
    x[5] = train.x[100]
    message = "1 of 520 held-out examples are in the training data, the first of them example 5"
    with pytest.raises(DataError, match=message):
        improve(
            few,
            None,
            train,
            [load_source(stored["upper"])],
            IMPROVE,
            2,
            held_out=replace(test, x=x),
        )


def test_doubles_within_the_data_do_not_decide(
    sets: Sets, few: StoredPathway, stored: Stored
) -> None:
    train, _ = sets["lower"]
    parts = divide(train, LearnConfig())
    assert parts.held_out
    x = train.x.copy()
    x[repeated(train, parts.held_out).argmax()] = parts.train.x[0]
    doubled = replace(train, x=x)
    config = replace(IMPROVE, shots=None)
    revised = improve(few, None, doubled, [load_source(stored["upper"])], config, 2)
    assert revised.facts["held_out_examples"] == len(parts.held_out) - 1


def test_a_task_cannot_help_itself_nor_one_of_other_inputs(
    sets: Sets, few: StoredPathway, stored: Stored
) -> None:
    train, _ = sets["lower"]
    with pytest.raises(DataError, match="lower cannot be improved from itself"):
        improve(few, None, train, [load_source(stored["lower"])], IMPROVE, 2)
    with pytest.raises(DataError, match=r"spoken@1 reads audio.* and cannot help lower@1"):
        improve(few, None, train, [load_source(stored["spoken"])], IMPROVE, 2)
    with pytest.raises(DataError, match="no other task could help lower"):
        improve(few, None, train, [], IMPROVE, 2)


def test_data_of_another_task_are_refused(sets: Sets, few: StoredPathway, stored: Stored) -> None:
    helpers = [load_source(stored["upper"])]
    with pytest.raises(DataError, match=r"lower has the classes a, b, .* data 'A' is a class more"):
        improve(few, None, sets["upper"][0], helpers, IMPROVE, 2)
    with pytest.raises(DataError, match="lower reads image-28x28x1, but the data have audio"):
        improve(few, None, sets["spoken"][0], helpers, IMPROVE, 2)


def test_too_few_held_out_examples_are_refused(
    sets: Sets, few: StoredPathway, stored: Stored
) -> None:
    helpers = [load_source(stored["upper"])]
    shots = sets["lower"][0].shots(5, np.random.default_rng(0))
    with pytest.raises(DataError, match=r"130 examples are too few to hold 0.1 of every class out"):
        improve(few, None, shots, helpers, IMPROVE, 2)


def test_a_pathway_with_too_few_mistakes_cannot_be_proven_better(
    sets: Sets, stored: Stored
) -> None:
    train, test = sets["digits"]
    model = FrozenPathway.load(stored["digits"])
    right = np.flatnonzero(model.probabilities(test.x).argmax(axis=1) == test.y)
    with pytest.raises(DataError, match=r"digits@1 gets 0 of .* wrong, and at least 5 put right"):
        improve(
            stored["digits"],
            None,
            train,
            [load_source(stored["lower"])],
            ImproveConfig(train=SHORT),
            2,
            held_out=test.take(right),
        )
