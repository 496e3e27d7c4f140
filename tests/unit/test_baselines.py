"""The systems SEN is compared with, on small made-up data."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmarks.paper.profiles import PAPER, Profile
from benchmarks.paper.systems.base import System, accuracy
from benchmarks.paper.systems.ewc import Ewc
from benchmarks.paper.systems.joint import JointTraining
from benchmarks.paper.systems.lwf import Lwf, distillation
from benchmarks.paper.systems.multitask import MultiTask
from benchmarks.paper.systems.pnn import Pnn
from benchmarks.paper.systems.replay import Replay, balanced
from pathways import DataError, LearnConfig, Progress, SignatureError, TrainConfig, learn
from pathways.ids import PathwayId
from tests.unit.networks import Sets

TASKS = ("fashion", "digits", "lower")
IN_SEQUENCE = (MultiTask, Pnn, Ewc, Lwf, Replay)
TRAIN = TrainConfig(epochs=4, min_steps=0, batch_size=32, learning_rate=3e-3)

Make = Callable[[Profile, int], System]


def profile(**baselines: float) -> Profile:
    config = LearnConfig(family="mlp", options={"hidden": 32}, held_out_share=0.0, train=TRAIN)
    given = replace(PAPER.baselines, replay_examples=92)
    return replace(
        PAPER,
        learning=dict.fromkeys(PAPER.learning, config),
        few_shot={},
        baselines=replace(given, **baselines),  # type: ignore[arg-type]
    )


def learned(make: Make, sets: Sets, tasks: tuple[str, ...] = TASKS, **baselines: float) -> System:
    system = make(profile(**baselines), 0)
    for task in tasks:
        system.learn(task, sets[task][0], None)
    return system


def answers(system: System, sets: Sets, tasks: tuple[str, ...] = TASKS) -> list[bytes]:
    return [system.probabilities(task, sets[task][1]).tobytes() for task in tasks]


@pytest.fixture(scope="module")
def systems(sets: Sets) -> dict[Make, System]:
    """Every system after three tasks. Tests only read or copy them."""
    return {make: learned(make, sets) for make in IN_SEQUENCE}


@pytest.fixture(scope="module")
def joint(sets: Sets) -> JointTraining:
    system = JointTraining(profile(), 0)
    system.learn_all({task: sets[task][0] for task in TASKS})
    return system


@pytest.mark.parametrize("make", IN_SEQUENCE)
def test_the_last_task_is_learned(systems: dict[Make, System], make: Make, sets: Sets) -> None:
    assert accuracy(systems[make], "lower", sets["lower"][1]) > 0.6


@pytest.mark.parametrize("make", IN_SEQUENCE)
def test_a_task_is_answered_with_probabilities(
    systems: dict[Make, System], make: Make, sets: Sets
) -> None:
    given = systems[make].probabilities("lower", sets["lower"][1])
    assert (given.dtype, given.shape) == (np.float32, (26 * 20, 26))
    np.testing.assert_allclose(given.sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize("make", IN_SEQUENCE)
def test_a_copy_learns_on_its_own(systems: dict[Make, System], make: Make, sets: Sets) -> None:
    system = systems[make]
    before = answers(system, sets)
    copies = [copy.deepcopy(system) for _ in range(2)]
    for branch in copies:
        branch.learn("upper", sets["upper"][0], 5)
    assert answers(system, sets) == before
    assert answers(copies[0], sets, ("upper",)) == answers(copies[1], sets, ("upper",))
    with pytest.raises(DataError, match="task 'upper' was not learned; learned are fashion"):
        system.probabilities("upper", sets["upper"][1])


@pytest.mark.parametrize("make", IN_SEQUENCE)
def test_from_no_shots_a_task_can_be_asked_and_nothing_else_changes(
    systems: dict[Make, System], make: Make, sets: Sets
) -> None:
    branch = copy.deepcopy(systems[make])
    before = answers(branch, sets)
    branch.learn("upper", sets["upper"][0], 0)
    assert answers(branch, sets) == before
    assert branch.memory_bytes == systems[make].memory_bytes
    assert accuracy(branch, "upper", sets["upper"][1]) < 0.15


@pytest.mark.parametrize("make", IN_SEQUENCE)
def test_few_shots_get_the_budget_of_a_pathway(make: Make, sets: Sets) -> None:
    given = profile()
    config = replace(given.learning["digits"], train=replace(TRAIN, min_steps=30))
    given = replace(given, learning={"digits": config})
    seen: list[Progress] = []
    make(given, 3).learn("digits", sets["digits"][0], 2, seen.append)
    pathway = learn(PathwayId("digits"), sets["digits"][0], [], given.config("digits", 2, 3))
    assert len(seen) == seen[-1].epochs == pathway.spec.training.epochs == 30


@pytest.mark.parametrize("make", IN_SEQUENCE)
def test_a_seed_repeats_and_another_does_not(make: Make, sets: Sets) -> None:
    first, again, other = (make(profile(), seed) for seed in (0, 0, 1))
    for system in (first, again, other):
        system.learn("digits", sets["digits"][0], 5)
    assert answers(first, sets, ("digits",)) == answers(again, sets, ("digits",))
    assert answers(first, sets, ("digits",)) != answers(other, sets, ("digits",))


@pytest.mark.parametrize("make", IN_SEQUENCE)
def test_learning_leaves_the_global_generator_alone(make: Make, sets: Sets) -> None:
    before = torch.random.get_rng_state()
    make(profile(), 0).learn("digits", sets["digits"][0], 2)
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("make", IN_SEQUENCE)
def test_what_cannot_be_learned_is_refused(
    systems: dict[Make, System], make: Make, sets: Sets
) -> None:
    branch = copy.deepcopy(systems[make])
    with pytest.raises(DataError, match="task 'digits' is learned already"):
        branch.learn("digits", sets["digits"][0], 0)
    with pytest.raises(SignatureError, match="reads image-28x28x1 and the task has audio-8000hz"):
        branch.learn("spoken", sets["spoken"][0], 0)


@pytest.mark.parametrize(
    ("make", "baselines"), [(Ewc, {"ewc_strength": 0.0}), (Lwf, {"lwf_strength": 0.0})]
)
def test_without_strength_it_is_fine_tuning(
    systems: dict[Make, System], make: Make, baselines: dict[str, float], sets: Sets
) -> None:
    assert answers(learned(make, sets, **baselines), sets) == answers(systems[MultiTask], sets)


def test_fine_tuning_forgets_and_the_remedies_forget_less(
    systems: dict[Make, System], sets: Sets
) -> None:
    systems = {**systems, Ewc: learned(Ewc, sets, ewc_strength=1e5)}
    first = {
        make: accuracy(system, "fashion", sets["fashion"][1]) for make, system in systems.items()
    }
    for make in (Ewc, Lwf, Replay):
        assert first[make] > first[MultiTask] + 0.05, make


def test_strong_ewc_holds_what_matters_to_earlier_tasks(sets: Sets) -> None:
    def moved(strength: float) -> float:
        system = Ewc(profile(ewc_strength=strength), 0)
        system.learn("fashion", sets["fashion"][0], None)
        system.learn("digits", sets["digits"][0], None)
        return float(system.anchors[0].penalty(system.network).detach())

    assert moved(1e5) < moved(0.0) / 10


def test_pnn_leaves_earlier_columns_bit_identical(sets: Sets) -> None:
    system = Pnn(profile(), 0)
    system.learn("fashion", sets["fashion"][0], None)
    system.learn("digits", sets["digits"][0], None)
    before = answers(system, sets, ("fashion", "digits"))
    weights = [p.clone() for column in system.columns.values() for p in column.parameters()]
    system.learn("lower", sets["lower"][0], None)
    assert answers(system, sets, ("fashion", "digits")) == before
    columns = list(system.columns.values())[:2]
    after = [p for column in columns for p in column.parameters()]
    assert all(torch.equal(a, b) for a, b in zip(weights, after, strict=True))


def test_pnn_reads_every_earlier_column(systems: dict[Make, System], sets: Sets) -> None:
    for earlier in ("fashion", "digits"):
        branch = copy.deepcopy(systems[Pnn])
        assert isinstance(branch, Pnn)
        for parameter in branch.columns[earlier].body.parameters():
            parameter.zero_()
        assert answers(branch, sets, ("lower",)) != answers(systems[Pnn], sets, ("lower",))


def test_pnn_trains_body_head_and_adapter(sets: Sets) -> None:
    start, end = (learned(Pnn, sets, ("digits",)) for _ in range(2))
    start.learn("lower", sets["lower"][0], 0)
    end.learn("lower", sets["lower"][0], None)
    assert isinstance(start, Pnn) and isinstance(end, Pnn)
    changed = dict(end.columns["lower"].named_parameters())
    for name, parameter in start.columns["lower"].named_parameters():
        assert not torch.equal(parameter, changed[name]), name


def test_distillation_is_the_divergence_of_softened_probabilities() -> None:
    says, said = torch.tensor([[1.0, 3.0], [0.0, 0.0]]), torch.tensor([[2.0, 2.0], [0.0, 0.0]])
    p = np.exp([0.5, 1.5]) / np.exp([0.5, 1.5]).sum()
    assert float(distillation(says, said, 2.0)) == pytest.approx(-np.log(2 * np.sqrt(p.prod())) / 2)


def test_replay_keeps_within_its_bound_and_every_class_equally_often(sets: Sets) -> None:
    system = Replay(profile(replay_examples=100), 0)
    for task, quota in (("fashion", 10), ("digits", 5), ("lower", 2)):
        system.learn(task, sets[task][0], 40 if task == "fashion" else None)
        counts = [data.counts() for data in system.kept.values()]
        assert set(np.concatenate(counts).tolist()) == {quota}
        assert system.memory_bytes == sum(map(len, system.kept.values())) * (784 + 8)


def test_replay_keeps_real_examples_of_the_right_class(sets: Sets) -> None:
    train = sets["digits"][0]
    system = learned(Replay, sets, ("fashion", "digits"))
    assert isinstance(system, Replay)
    known = {(x.tobytes(), int(y)) for x, y in zip(train.x, train.y, strict=True)}
    kept = system.kept["digits"]
    assert {(x.tobytes(), int(y)) for x, y in zip(kept.x, kept.y, strict=True)} <= known


def test_a_memory_too_small_for_its_classes_is_refused(sets: Sets) -> None:
    with pytest.raises(DataError, match=r"a memory of 19 examples .* allow at least 20"):
        balanced({t: sets[t][0] for t in ("fashion", "digits")}, 19, np.random.default_rng(0))


def test_joint_training_learns_all_tasks(joint: JointTraining, sets: Sets) -> None:
    for task in TASKS:
        assert accuracy(joint, task, sets[task][1]) > 0.6, task


def test_joint_training_tells_classes_of_all_tasks_apart(joint: JointTraining, sets: Sets) -> None:
    assert len(joint.classes) == 10 + 10 + 26
    right = []
    for task in TASKS:
        test = sets[task][1]
        found = [joint.classes[c] for c in joint.joint_probabilities(test).argmax(axis=1)]
        right += [guess == (task, y) for guess, y in zip(found, test.y.tolist(), strict=True)]
    assert np.mean(right) > 0.6


def test_told_the_task_joint_training_masks_the_other_classes(
    joint: JointTraining, sets: Sets
) -> None:
    test = sets["digits"][1]
    own = [c for c, (task, _) in enumerate(joint.classes) if task == "digits"]
    whole = joint.joint_probabilities(test)[:, own]
    np.testing.assert_allclose(
        joint.probabilities("digits", test), whole / whole.sum(axis=1, keepdims=True), rtol=1e-4
    )


def test_joint_training_spends_the_mean_epochs_on_the_union(sets: Sets) -> None:
    given = profile()
    longer = replace(given.learning["digits"], train=replace(TRAIN, epochs=8))
    seen: list[Progress] = []
    system = JointTraining(replace(given, learning={**given.learning, "digits": longer}), 0)
    system.learn_all({task: sets[task][0] for task in ("fashion", "digits")}, seen.append)
    assert [p.epoch for p in seen] == [1, 2, 3, 4, 5, 6]


def test_joint_training_takes_no_task_alone_and_no_mixed_inputs(
    joint: JointTraining, sets: Sets
) -> None:
    with pytest.raises(TypeError, match="call learn_all"):
        JointTraining(profile(), 0).learn("digits", sets["digits"][0], None)
    with pytest.raises(SignatureError, match="the task has audio-8000hz"):
        JointTraining(profile(), 0).learn_all({t: sets[t][0] for t in ("digits", "spoken")})
    before = answers(joint, sets)
    assert answers(copy.deepcopy(joint), sets) == before


@pytest.mark.parametrize("make", [*IN_SEQUENCE, JointTraining])
def test_any_family_of_images_will_do(make: Make, sets: Sets) -> None:
    config = LearnConfig(
        family="cnn", options={"channels": 2, "hidden": 16}, train=replace(TRAIN, epochs=1)
    )
    system = make(replace(profile(), learning={"fashion": config, "digits": config}), 0)
    datas = {
        task: sets[task][0].shots(10, np.random.default_rng(0)) for task in ("fashion", "digits")
    }
    if isinstance(system, JointTraining):
        system.learn_all(datas)
    else:
        for task, data in datas.items():
            system.learn(task, data, None)
    assert system.probabilities("digits", sets["digits"][1]).shape == (200, 10)
