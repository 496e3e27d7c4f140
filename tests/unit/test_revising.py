"""Revisions: a version is offered only where held-out examples prove it; nothing else changes."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest
import torch

from pathways import (
    DataError,
    FamilyError,
    FrozenPathway,
    ImproveConfig,
    LearnConfig,
    PathwayId,
    PathwaySpec,
    Progress,
    PruneConfig,
    ShareConfig,
    StoredPathway,
    TaskData,
    TrainConfig,
    WeightsError,
    divide,
    improve,
    learn,
    learn_sharing,
    load_source,
    prune,
    reroot,
)
from pathways.frozen import load_body
from pathways.model import parameter_count
from pathways.packed import run_together
from pathways.revising.distilling import Taught
from pathways.revising.narrowing import Narrowing
from pathways.revising.proof import compare, needed_gains, repeated
from pathways.revising.searching import least_that_holds
from tests.unit.fakes import Sets

Stored = dict[str, StoredPathway]

SHORT = TrainConfig(epochs=1, min_steps=60, batch_size=64)
FEW = LearnConfig(shots=5, train=TrainConfig(epochs=1, min_steps=60, own_loss_weight=0.0))
IMPROVE = ImproveConfig(shots=5, train=SHORT)
PRUNE = PruneConfig(max_loss=0.05, train=TrainConfig(epochs=6, min_steps=0))
SHARE = LearnConfig(threshold=0.5, train=TrainConfig(epochs=8, min_steps=0))


@pytest.fixture(scope="module")
def few(sets: Sets) -> StoredPathway:
    """lower, learned from five examples a class."""
    return learn(PathwayId("lower"), sets["lower"][0], [], FEW)


def accuracy(given: StoredPathway, source: StoredPathway | None, data: TaskData) -> float:
    answers = FrozenPathway.load(given, source).probabilities(data.x)
    return float((answers.argmax(axis=1) == data.y).mean())


def bytes_of(stored: Stored) -> dict[str, tuple[str, bytes]]:
    return {name: (s.spec.to_json(), s.weights) for name, s in stored.items()}


# The proof.


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


# The search.


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


# Backward transfer.


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
    with pytest.raises(DataError, match=r"lower@1 knows the classes a, b, .* the data have A, B"):
        improve(few, None, sets["upper"][0], helpers, IMPROVE, 2)
    with pytest.raises(DataError, match="lower@1 reads image-28x28x1, but the data have audio"):
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


# Pruning.


def test_a_pruned_pathway_is_smaller_and_within_the_loss(sets: Sets, stored: Stored) -> None:
    train, test = sets["digits"]
    revised = prune(stored["digits"], None, train, PRUNE, 2, held_out=test)
    (smaller,) = revised.pathways
    facts = revised.facts
    assert smaller.spec.options == {"hidden": facts["units_after"]}
    assert int(facts["units_after"]) <= 64
    assert smaller.spec.parameters == parameter_count(FrozenPathway.load(smaller).model)
    assert smaller.spec.parameters < stored["digits"].spec.parameters / 1.9
    assert len(smaller.weights) == facts["file_bytes_after"] < len(stored["digits"].weights) / 1.8
    assert float(facts["loss"]) <= 0.05
    loss = accuracy(stored["digits"], None, test) - accuracy(smaller, None, test)
    assert loss <= 0.05
    assert smaller.spec.revision and smaller.spec.revision.facts == facts
    assert FrozenPathway.load(smaller).verify().identical
    assert revised.summary.startswith("smaller: 128 → ")


def test_a_pruned_pathway_keeps_its_links(sets: Sets, stored: Stored) -> None:
    config = replace(PRUNE, keep=48, max_loss=0.1)
    (smaller,) = prune(stored["upper"], stored["lower"], sets["upper"][0], config, 2).pathways
    spec = smaller.spec
    assert (spec.source, spec.links) == (PathwayId("lower"), stored["upper"].spec.links)
    assert spec.active_parameters - spec.parameters == 784 * 128 + 128
    assert accuracy(smaller, stored["lower"], sets["upper"][1]) > 0.75


def test_a_pruned_pathway_can_still_lend(sets: Sets, stored: Stored) -> None:
    config = replace(PRUNE, keep=64, max_loss=0.2)
    (smaller,) = prune(stored["lower"], stored["digits"], sets["lower"][0], config, 2).pathways
    source, test = load_source(smaller), sets["lower"][1]
    alone = source.probabilities(source.hidden(torch.from_numpy(test.x)))
    assert (alone.argmax(dim=1).numpy() == test.y).mean() > 0.7


def test_how_far_what_is_left_says_what_the_whole_says(sets: Sets, stored: Stored) -> None:
    frozen = FrozenPathway.load(stored["lower"], stored["digits"])
    x = torch.from_numpy(sets["lower"][0].x)
    taught, rows = Taught(frozen, x, SHORT), torch.arange(len(x))
    assert taught.agreement(frozen.model, rows) == 1.0
    narrowing = Narrowing(frozen.spec.family, frozen.model, x)
    half, tenth = (taught.agreement(narrowing.to(width), rows) for width in (64, 12))
    assert 0.1 < tenth < half < 1.0


def test_units_of_a_convolutional_pathway_can_be_left_out(sets: Sets) -> None:
    train, test = sets["digits"]
    config = LearnConfig(family="cnn", options={"channels": 4, "hidden": 32}, train=SHORT)
    whole = learn(PathwayId("digits"), train, [], config)
    (smaller,) = prune(whole, None, train, replace(PRUNE, keep=12, max_loss=0.2), 2).pathways
    assert smaller.spec.options == {"channels": 4, "hidden": 12}
    assert accuracy(smaller, None, test) > accuracy(whole, None, test) - 0.15
    assert FrozenPathway.load(smaller).verify().identical


def test_units_of_a_recurrent_pathway_cannot(sets: Sets, stored: Stored) -> None:
    with pytest.raises(FamilyError, match="cannot be pruned, because units of family lstm"):
        prune(stored["spoken"], None, sets["spoken"][0], PRUNE, 2)


def test_a_loss_that_cannot_be_kept_to_is_an_error(sets: Sets, stored: Stored) -> None:
    train, _ = sets["lower"]
    message = (
        "lower@1 cannot be pruned at a loss of 0.5 % at most: with 1 of 128 units it loses .* "
        "of the held-out examples; allow more loss"
    )
    with pytest.raises(DataError, match=message):
        prune(stored["lower"], stored["digits"], train, replace(PRUNE, keep=1, max_loss=0.005), 2)


@pytest.mark.parametrize("keep", [128, 500])
def test_keeping_all_units_prunes_nothing(sets: Sets, stored: Stored, keep: int) -> None:
    with pytest.raises(DataError, match=f"digits@1 has 128 units, so keeping {keep} prunes noth"):
        prune(stored["digits"], None, sets["digits"][0], replace(PRUNE, keep=keep), 2)


def test_a_prune_that_would_empty_a_layer_is_refused(sets: Sets) -> None:
    with pytest.raises(DataError, match="keeping 0 units would empty a layer"):
        PruneConfig(keep=0)
    config = LearnConfig(options={"hidden": 1}, train=replace(SHORT, min_steps=1))
    single = learn(PathwayId("digits"), sets["digits"][0], [], config)
    with pytest.raises(DataError, match="digits@1 has one unit; to prune it would empty a layer"):
        prune(single, None, sets["digits"][0], PRUNE, 2)


def test_two_halves_need_enough_held_out_examples(sets: Sets, stored: Stored) -> None:
    few = sets["digits"][1].shots(3, np.random.default_rng(0))
    with pytest.raises(DataError, match="30 held-out examples are too few to search with one half"):
        prune(stored["digits"], None, sets["digits"][0], PRUNE, 2, held_out=few)


# Graceful forgetting.


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
    with pytest.raises(DataError, match="lower@1 knows the classes a, b"):
        share("upper", "upper", "digits")
    with pytest.raises(DataError, match="lower cannot share units with itself"):
        share("lower", "lower", "lower")
    with pytest.raises(DataError, match="units are shared between inputs of one kind"):
        share("spoken", "spoken", "lower")
    with pytest.raises(DataError, match="shots must not be 0"):
        share("upper", "upper", "lower", replace(SHARE, shots=0))


# Removing.


@pytest.fixture(scope="module")
def alone(stored: Stored) -> StoredPathway:
    """upper, with lower's body in its own weight file."""
    return reroot(stored["upper"], stored["lower"], 2)


def test_a_rerooted_pathway_answers_bit_for_bit_the_same_without_its_source(
    sets: Sets, stored: Stored, alone: StoredPathway
) -> None:
    x = sets["upper"][1].x
    was = FrozenPathway.load(stored["upper"], stored["lower"])
    now = FrozenPathway.load(alone)
    assert was.probabilities(x).tobytes() == now.probabilities(x).tobytes()
    assert now.verify().identical
    for name in ("probe.input", "probe.output"):
        assert torch.equal(alone.tensors()[name], stored["upper"].tensors()[name])


def test_a_rerooted_pathway_counts_the_copied_weights_as_its_own(
    stored: Stored, alone: StoredPathway
) -> None:
    was, now = stored["upper"].spec, alone.spec
    assert (now.id, now.source, now.links) == (PathwayId("upper", 2), None, was.links)
    assert now.parameters == now.active_parameters == was.active_parameters
    assert now.adopted and now.adopted.of == PathwayId("lower")
    assert PathwaySpec.from_json(now.to_json()) == now
    assert now.revision and (now.revision.kind, now.revision.of) == ("rerooted", was.id)
    held = sum(t.numel() for t in FrozenPathway.load(alone).tensors())
    assert held == sum(t.numel() for t in alone.tensors().values())


def test_a_rerooted_pathway_lends_as_before(
    sets: Sets, stored: Stored, alone: StoredPathway
) -> None:
    x = torch.from_numpy(sets["upper"][1].x[:20])
    lenders = [load_source(stored["upper"]), load_source(alone)]
    lenders.append(FrozenPathway.load(alone).as_source())
    hidden = [lender.hidden(x) for lender in lenders]
    assert torch.equal(hidden[0], hidden[1]) and torch.equal(hidden[1], hidden[2])
    assert parameter_count(load_body(alone)) == 784 * 128 + 128


def test_a_rerooted_pathway_can_be_pruned(sets: Sets, stored: Stored, alone: StoredPathway) -> None:
    train, test = sets["upper"]
    (smaller,) = prune(alone, None, train, replace(PRUNE, keep=40, max_loss=0.2), 3).pathways
    assert smaller.spec.adopted == alone.spec.adopted
    assert smaller.spec.parameters == smaller.spec.active_parameters < alone.spec.parameters
    assert accuracy(smaller, None, test) > 0.7
    assert FrozenPathway.load(smaller).verify().identical


def test_rerooted_pathways_do_not_run_in_packs(sets: Sets) -> None:
    tiny = LearnConfig(options={"hidden": 2}, threshold=0.01, train=replace(SHORT, min_steps=5))
    train, test = sets["digits"]
    source = learn(PathwayId("lender"), train, [], tiny)
    linked = [
        learn(PathwayId(f"task-{n}"), train, [load_source(source)], replace(tiny, seed=n))
        for n in range(12)
    ]
    alone = [FrozenPathway.load(reroot(each, source, 2)) for each in linked]
    assert all(pathway.spec.parameters < 8_192 for pathway in alone)
    answers = run_together([(pathway, test.x[:2]) for pathway in alone])
    for pathway, given in zip(alone, answers, strict=True):
        np.testing.assert_array_equal(given, pathway.probabilities(test.x[:2]))


def test_only_a_linked_pathway_can_be_rerooted_and_only_with_its_source(stored: Stored) -> None:
    with pytest.raises(DataError, match="digits@1 reads no source, so there is nothing to copy"):
        reroot(stored["digits"], stored["lower"], 2)
    with pytest.raises(WeightsError, match="upper@1 needs source lower@1, got digits@1"):
        reroot(stored["upper"], stored["digits"], 2)


# What waits is stored as JSON.


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
