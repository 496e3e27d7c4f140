"""One run: a system learns the tasks one after the other and is asked after each (§4)."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from torch import nn

from benchmarks.paper.profiles import Profile
from benchmarks.paper.record import Accuracies, Record
from benchmarks.paper.systems.base import System, accuracy
from benchmarks.paper.tasks import IMAGE_TASKS, TASKS
from pathways import Progress, TaskData

Data = Mapping[str, tuple[TaskData, TaskData]]
"""Task → (train, test)."""

SYSTEMS = {
    "sen": "benchmarks.paper.systems.sen:Sen",
    "single": "benchmarks.paper.systems.single:Single",
    "multitask": "benchmarks.paper.systems.multitask:MultiTask",
    "pnn": "benchmarks.paper.systems.pnn:Pnn",
    "ewc": "benchmarks.paper.systems.ewc:Ewc",
    "lwf": "benchmarks.paper.systems.lwf:Lwf",
    "replay": "benchmarks.paper.systems.replay:Replay",
    "joint": "benchmarks.paper.systems.joint:JointTraining",
}
"""Where each system is; imported only when it runs."""

SYSTEM_TITLES = {
    "sen": "SEN",
    "single": "Single-task",
    "multitask": "Multi-task (seq)",
    "pnn": "PNN",
    "ewc": "EWC",
    "lwf": "LwF",
    "replay": "Replay",
    "joint": "Joint (bound)",
}

_ANY_INPUT = ("sen", "single")  # the others share nothing between images and audio


@dataclass(frozen=True)
class Step:
    """How far a run is."""

    task: str
    shots: int | None
    progress: Progress


def system_tasks(system: str) -> tuple[str, ...]:
    """The tasks `system` learns, in order."""
    return TASKS if system in _ANY_INPUT else IMAGE_TASKS


def run_chain(
    profile: Profile, system: str, seed: int, data: Data, report: Callable[[Step], None]
) -> Record:
    """Run `system`, one of SYSTEMS, with one seed through all of its tasks. Raises DataError."""
    module, _, name = SYSTEMS[system].partition(":")
    make = getattr(import_module(module), name)
    own = {task: data[task] for task in system_tasks(system)}
    run = _together if system == "joint" else in_sequence
    return run(make, profile, system, seed, own, report)


def in_sequence(
    make: Callable[[Profile, int], System],
    profile: Profile,
    name: str,
    seed: int,
    data: Data,
    report: Callable[[Step], None],
) -> Record:
    """Learn task after task, each from few shots on a copy first; `make` makes a new system."""
    system = make(profile, seed)
    few_shot: dict[str, Accuracies] = {str(shots): {} for shots in profile.shots}
    matrix: list[Accuracies] = []
    seconds: dict[str, float] = {}
    parameters: dict[str, int] = {}
    for task, (train, test) in data.items():
        for shots in profile.shots:
            branch = copy.deepcopy(system)
            branch.learn(task, train, shots, _reporter(task, shots, report))
            few_shot[str(shots)][task] = accuracy(branch, task, test)
        started = time.monotonic()
        system.learn(task, train, None, _reporter(task, None, report))
        seconds[task] = time.monotonic() - started
        parameters[task] = weight_count(system)
        matrix.append({earlier: accuracy(system, earlier, data[earlier][1]) for earlier in seconds})
    return Record(
        profile=profile.name,
        system=name,
        seed=seed,
        tasks=tuple(data),
        matrix=tuple(matrix),
        few_shot=few_shot,
        initial={task: _untrained(make(profile, seed), task, *data[task]) for task in data},
        seconds=seconds,
        memory_bytes=system.memory_bytes,
        parameters=parameters,
        test_examples={task: len(test) for task, (_, test) in data.items()},
        extra=_extras(system, data),
    )


def _together(
    make: Any,
    profile: Profile,
    name: str,
    seed: int,
    data: Data,
    report: Callable[[Step], None],
) -> Record:
    """Learn all tasks at once: the upper bound of what learning in sequence can reach."""
    from benchmarks.paper.untold import joint_extras

    system = make(profile, seed)
    started = time.monotonic()
    system.learn_all(
        {task: train for task, (train, _) in data.items()}, _reporter("all", None, report)
    )
    seconds = time.monotonic() - started
    return Record(
        profile=profile.name,
        system=name,
        seed=seed,
        tasks=tuple(data),
        matrix=({task: accuracy(system, task, test) for task, (_, test) in data.items()},),
        few_shot={},
        initial={},
        seconds={"all": seconds},
        memory_bytes=system.memory_bytes,
        parameters={"all": weight_count(system)},
        test_examples={task: len(test) for task, (_, test) in data.items()},
        extra=joint_extras(system, data),
    )


def weight_count(system: System) -> int:
    """Weights a system keeps: what its `parameters` says, else those of its torch modules."""
    told = getattr(system, "parameters", None)
    if told is not None:
        return int(told)
    held = [value for value in vars(system).values() if isinstance(value, nn.Module)]
    for value in vars(system).values():
        if isinstance(value, dict):
            held += [each for each in value.values() if isinstance(each, nn.Module)]
    return sum(weight.numel() for module in held for weight in module.parameters())


def _reporter(
    task: str, shots: int | None, report: Callable[[Step], None]
) -> Callable[[Progress], None]:
    return lambda progress: report(Step(task, shots, progress))


def _untrained(system: System, task: str, train: TaskData, test: TaskData) -> float:
    system.learn(task, train, 0)
    return accuracy(system, task, test)


def _extras(system: System, data: Data) -> dict[str, Any]:
    extras = getattr(system, "extras", None)
    return extras(data) if extras else {}
