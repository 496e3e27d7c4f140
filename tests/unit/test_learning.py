"""Algorithm 1 on small real data: transfer helps, nothing is forgotten, everything repeats."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from pathways import (
    DataError,
    FamilyError,
    FrozenPathway,
    LearnConfig,
    PathwayId,
    Progress,
    Source,
    StoredPathway,
    TaskData,
    TrainConfig,
    divide,
    learn,
    load_source,
)
from tests.unit.networks import Sets

Stored = dict[str, StoredPathway]

SHORT = TrainConfig(epochs=1, min_steps=20)
FEW_SHOT = LearnConfig(threshold=0.5, shots=5, train=TrainConfig(epochs=1, min_steps=100))


def accuracy(given: StoredPathway, source: StoredPathway | None, data: TaskData) -> float:
    answers = FrozenPathway.load(given, source).probabilities(data.x)
    return float((answers.argmax(axis=1) == data.y).mean())


def alone(given: StoredPathway, data: TaskData) -> float:
    """Accuracy of a pathway's own head, without its source."""
    source = load_source(given)
    answers = source.probabilities(source.hidden(torch.from_numpy(data.x)))
    return float((answers.argmax(dim=1).numpy() == data.y).mean())


def linked_labels(given: StoredPathway, source: StoredPathway) -> set[tuple[str, str]]:
    spec = given.spec
    labels = source.spec.labels
    return {(labels[link.source_class], spec.labels[link.target_class]) for link in spec.links}


def weights_of(source: Source) -> list[bytes]:
    parameters = [*source.body.parameters(), *source.head.parameters()]
    return [p.detach().numpy().tobytes() for p in parameters]


@pytest.mark.parametrize("name", ["digits", "lower", "upper"])
def test_a_task_is_learned(sets: Sets, stored: Stored, name: str) -> None:
    spec = stored[name].spec
    source = stored[spec.source.task] if spec.source else None
    assert accuracy(stored[name], source, sets[name][1]) > 0.8


def test_letters_are_linked_to_what_looks_like_them(stored: Stored) -> None:
    assert ("0", "o") in linked_labels(stored["lower"], stored["digits"])
    upper = linked_labels(stored["upper"], stored["lower"])
    assert {("c", "C"), ("o", "O"), ("s", "S"), ("z", "Z")} <= upper


def test_a_spec_tells_how_the_pathway_was_learned(stored: Stored, sets: Sets) -> None:
    spec = stored["upper"].spec
    assert spec.id == PathwayId("upper", 1)
    assert spec.source == PathwayId("lower", 1)
    assert (spec.family, spec.options, spec.source_width) == ("mlp", {"hidden": 128}, 128)
    assert spec.labels == sets["upper"][0].labels
    training = spec.training
    assert (training.examples, training.held_out_examples) == (26 * 72, 26 * 8)
    assert (training.epochs, training.shots, training.seed) == (20, None, 0)
    assert training.held_out_accuracy and training.held_out_accuracy > 0.75
    assert training.train_accuracy > 0.9


def test_a_linked_pathway_counts_its_own_weights_and_touches_its_source_s_body(
    stored: Stored,
) -> None:
    spec = stored["upper"].spec
    own = 784 * 128 + 128 + 128 * 26 + 26 + 128 * 26
    assert spec.parameters == own
    assert spec.active_parameters == own + 784 * 128 + 128


def test_the_weight_file_holds_no_weight_of_the_source(stored: Stored) -> None:
    assert set(stored["upper"].tensors()) == {
        "body.layer.weight",
        "body.layer.bias",
        "head.weight",
        "head.bias",
        "link.weight",
        "probe.input",
        "probe.output",
    }
    assert "link.weight" not in stored["digits"].tensors()


def test_zero_shot_the_linked_classes_are_known_well_above_chance(
    sets: Sets, stored: Stored
) -> None:
    train, test = sets["upper"]
    config = LearnConfig(threshold=0.5, shots=0)
    given = learn(PathwayId("upper"), train, [load_source(stored["lower"])], config)
    linked = np.isin(test.y, [link.target_class for link in given.spec.links])
    answers = FrozenPathway.load(given, stored["lower"]).probabilities(test.x).argmax(axis=1)
    assert linked.sum() >= 5 * 20
    assert (answers == test.y)[linked].mean() > 0.6
    assert (answers == test.y).mean() > 5 / 26
    assert (given.spec.training.examples, given.spec.training.epochs) == (0, 0)


@pytest.mark.parametrize("seed", [0, 1])
def test_few_shot_a_source_helps(sets: Sets, stored: Stored, seed: int) -> None:
    train, test = sets["upper"]
    config = replace(FEW_SHOT, seed=seed)
    helped = learn(PathwayId("upper"), train, [load_source(stored["lower"])], config)
    single = learn(PathwayId("upper"), train, [], config)
    assert helped.spec.training.examples == single.spec.training.examples == 26 * 5
    assert accuracy(helped, stored["lower"], test) > accuracy(single, None, test) + 0.05


def test_the_better_of_two_sources_is_used(sets: Sets, stored: Stored) -> None:
    sources = [load_source(stored[name]) for name in ("digits", "lower")]
    given = learn(PathwayId("upper"), sets["upper"][0], sources, replace(FEW_SHOT, shots=0))
    assert given.spec.source == PathwayId("lower")


def test_learning_changes_no_bit_of_the_sources(sets: Sets, stored: Stored) -> None:
    sources = [load_source(stored[name]) for name in ("digits", "lower")]
    before = [weights_of(source) for source in sources]
    learn(PathwayId("upper"), sets["upper"][0], sources, FEW_SHOT)
    assert [weights_of(source) for source in sources] == before


def test_a_source_takes_no_gradient(sets: Sets, stored: Stored) -> None:
    source = FrozenPathway.load(stored["lower"], stored["digits"]).as_source()
    learn(PathwayId("upper"), sets["upper"][0], [source], FEW_SHOT)
    for parameter in (*source.body.parameters(), *source.head.parameters()):
        assert not parameter.requires_grad
        assert parameter.grad is None


def test_the_new_body_head_and_links_are_all_trained(sets: Sets, stored: Stored) -> None:
    source, train = load_source(stored["lower"]), sets["upper"][0]
    start = learn(PathwayId("upper"), train, [source], replace(FEW_SHOT, shots=0)).tensors()
    end = learn(PathwayId("upper"), train, [source], FEW_SHOT).tensors()
    for name in ("body.layer.weight", "head.weight", "head.bias", "link.weight"):
        assert not torch.equal(start[name], end[name]), name


def test_the_own_loss_keeps_the_own_head_able_to_lend(sets: Sets, stored: Stored) -> None:
    train, test = sets["upper"]
    forgone = LearnConfig(
        threshold=0.5,
        train=TrainConfig(epochs=20, min_steps=0, batch_size=64, own_loss_weight=0.0),
    )
    without = learn(PathwayId("upper"), train, [load_source(stored["lower"])], forgone)
    assert alone(stored["upper"], test) > 0.75
    assert alone(without, test) < alone(stored["upper"], test) - 0.2
    assert accuracy(without, stored["lower"], test) > 0.8


@pytest.mark.parametrize("epochs", [1, 9, 10, 11])
def test_the_smallest_budgets_are_kept(sets: Sets, epochs: int) -> None:
    few = LearnConfig(shots=1, train=TrainConfig(epochs=epochs, min_steps=0))
    assert learn(PathwayId("digits"), sets["digits"][0], [], few).spec.training.epochs == epochs


def test_mixed_precision_learns_as_well_and_keeps_float32_weights(sets: Sets) -> None:
    train, test = sets["digits"]
    full = LearnConfig(family="cnn", train=TrainConfig(epochs=2, min_steps=40, batch_size=64))
    mixed = replace(full, train=replace(full.train, mixed_precision=True))
    exact, rough = (learn(PathwayId("digits"), train, [], how) for how in (full, mixed))
    assert exact.weights != rough.weights  # it did compute otherwise
    assert all(t.dtype == torch.float32 for t in rough.tensors().values() if t.is_floating_point())
    assert accuracy(rough, None, test) > accuracy(exact, None, test) - 0.05


@pytest.mark.parametrize("sources", [[], ["digits"]])
def test_a_seed_gives_the_same_bytes_and_another_does_not(
    sets: Sets, stored: Stored, sources: list[str]
) -> None:
    first, again, other = (
        learn(
            PathwayId("lower"),
            sets["lower"][0],
            [load_source(stored[name]) for name in sources],
            replace(FEW_SHOT, seed=seed),
        )
        for seed in (4, 4, 5)
    )
    assert first.weights == again.weights
    assert first.spec.weights_sha256 == again.spec.weights_sha256
    assert first.weights != other.weights


def test_learning_leaves_the_caller_s_random_numbers_alone(sets: Sets) -> None:
    torch.manual_seed(1)
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1]
    learn(PathwayId("digits"), sets["digits"][0], [], FEW_SHOT)
    assert torch.equal(torch.get_rng_state(), torch_state)
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_state)


def test_the_caller_s_random_numbers_do_not_matter(sets: Sets) -> None:
    given = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        given.append(learn(PathwayId("digits"), sets["digits"][0], [], FEW_SHOT).weights)
    assert given[0] == given[1]


def test_without_sources_allowed_there_are_no_links(sets: Sets, stored: Stored) -> None:
    config = replace(FEW_SHOT, max_sources=0)
    given = learn(PathwayId("upper"), sets["upper"][0], [load_source(stored["lower"])], config)
    assert given.spec.source is None
    assert given.spec.links == ()
    assert given.spec.source_width == 0
    assert given.spec.active_parameters == given.spec.parameters


def test_a_source_nothing_is_like_is_not_used(sets: Sets, stored: Stored) -> None:
    config = replace(FEW_SHOT, threshold=1.0)
    given = learn(PathwayId("upper"), sets["upper"][0], [load_source(stored["digits"])], config)
    assert given.spec.source is None


def test_every_epoch_is_reported(sets: Sets) -> None:
    told: list[Progress] = []
    config = LearnConfig(train=TrainConfig(epochs=3, min_steps=0))
    learn(PathwayId("digits"), sets["digits"][0], [], config, told.append)
    assert [(p.epoch, p.epochs) for p in told] == [(1, 3), (2, 3), (3, 3)]
    assert told[0].loss > told[-1].loss > 0
    assert told[0].accuracy < told[-1].accuracy <= 1


def test_held_out_examples_are_never_trained_on(sets: Sets) -> None:
    data = sets["digits"][0]
    examples = divide(data, LearnConfig(held_out_share=0.25, shots=5, seed=2))
    assert examples.held_out
    assert set(examples.held_out.counts()) == {20}
    assert set(examples.train.counts()) == {5}
    trained = {x.tobytes() for x in examples.train.x}
    assert not trained & {x.tobytes() for x in examples.held_out.x}


def test_the_same_examples_are_held_out_however_many_shots_are_allowed(sets: Sets) -> None:
    held = [divide(sets["digits"][0], LearnConfig(shots=shots)).held_out for shots in (None, 0, 5)]
    assert held[0] and held[1] and held[2]
    assert held[0].x.tobytes() == held[1].x.tobytes() == held[2].x.tobytes()


def test_too_few_examples_to_hold_out_are_all_trained_on(sets: Sets) -> None:
    few = sets["digits"][0].shots(3, np.random.default_rng(0))
    given = learn(PathwayId("digits"), few, [], LearnConfig(train=SHORT))
    assert given.spec.training.examples == 30
    assert given.spec.training.held_out_accuracy is None
    assert given.spec.training.held_out_examples == 0


def test_a_family_and_its_options_are_kept_in_the_spec(sets: Sets) -> None:
    few = sets["digits"][0].shots(2, np.random.default_rng(0))
    config = LearnConfig(
        family="cnn", options={"channels": 2}, train=TrainConfig(epochs=1, min_steps=0)
    )
    given = learn(PathwayId("digits", 3), few, [], config)
    assert (given.spec.family, given.spec.options) == ("cnn", {"channels": 2, "hidden": 128})
    assert given.spec.id == PathwayId("digits", 3)


def test_sounds_are_learned(sets: Sets, stored: Stored) -> None:
    spec = stored["spoken"].spec
    assert spec.family == "lstm"
    assert accuracy(stored["spoken"], None, sets["spoken"][1]) > 0.3


def test_a_family_for_other_inputs_cannot_learn(sets: Sets) -> None:
    with pytest.raises(FamilyError, match="family lstm reads audio inputs"):
        learn(PathwayId("digits"), sets["digits"][0], [], LearnConfig(family="lstm"))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"threshold": 0.0}, "threshold must lie above 0 and up to 1, got 0.0"),
        ({"threshold": 1.1}, "threshold must lie above 0 and up to 1, got 1.1"),
        ({"max_sources": 2}, "max_sources must be 0 or 1, got 2"),
        ({"max_sources": -1}, "max_sources must be 0 or 1, got -1"),
        ({"shots": -1}, "shots must be 0 or more, got -1"),
        ({"held_out_share": 1.0}, "held_out_share must be at least 0 and under 1, got 1.0"),
        ({"held_out_share": -0.1}, "held_out_share must be at least 0 and under 1, got -0.1"),
    ],
)
def test_impossible_settings_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        LearnConfig(**fields)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"epochs": 0}, "epochs must be at least 1, got 0"),
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ({"min_steps": -1}, "min_steps must not be negative, got -1"),
        ({"learning_rate": 0.0}, "learning_rate must be above 0, got 0.0"),
        ({"learning_rate": float("nan")}, "learning_rate must be above 0, got nan"),
        ({"own_loss_weight": 1.5}, "own_loss_weight must lie in 0..1, got 1.5"),
    ],
)
def test_impossible_training_settings_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        TrainConfig(**fields)


@pytest.mark.parametrize(
    ("examples", "epochs"), [(10, 300), (128, 300), (129, 150), (1_000, 38), (60_000, 10)]
)
def test_small_tasks_get_enough_steps(examples: int, epochs: int) -> None:
    budget = TrainConfig(epochs=10, min_steps=300, batch_size=128)
    assert budget.epochs_for(examples) == epochs
