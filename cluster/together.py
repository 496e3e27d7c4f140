"""Inputs of two modalities that show the same thing: which pathway each of them activates, and the
one answer that both give (paper §3.4). Pure; the dispatcher runs the pathways."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from cluster.concepts import as_shown
from cluster.inputs import Input
from cluster.messages import Activation, Answer
from cluster.registry import Registry
from dispatcher import Decision, choose_pair, combine, merge
from pathways import DataError

SIDES = 2
"""Inputs of one query at most, each of another modality (§3.5: two pathways, no more)."""

_WORDS = {"audio": "sound"}


def word(given: Input) -> str:
    """What a user calls an input of this modality."""
    modality = given.observed.modality
    return _WORDS.get(modality, modality)


def check_together(elements: Sequence[Sequence[Input]]) -> None:
    """Raises DataError unless every element is one input, or two of different modalities."""
    for number, element in enumerate(elements):
        words = [word(given) for given in element]
        if not 1 <= len(words) <= SIDES:
            raise DataError(
                f"query {number} has {len(words)} inputs; give one, or two of different kinds, "
                "such as an image and a sound"
            )
        if len(set(words)) != len(words):
            raise DataError(
                f"query {number} has two inputs of one kind ({words[0]}); together go an image and "
                "a sound of the same thing"
            )


def pair_up(registry: Registry, sides: Sequence[Sequence[Decision]]) -> list[list[Decision]]:
    """Of the one or two tasks that each input of a pair could go to, the one that it does.

    sides: for the firsts of all pairs, and for the seconds, what the dispatcher decided. Of tasks
    about as probable those are preferred that share concepts.
    """

    @cache
    def share(first: str, second: str) -> bool:
        known = [registry.entry(task).spec.concepts for task in (first, second)]
        return not set(known[0]).isdisjoint(known[1])

    paired: list[list[Decision]] = [[], []]
    for first, second in zip(*sides, strict=True):
        if first.unknown or second.unknown:
            chosen = (first.tasks[0], second.tasks[0])
        else:
            chosen = choose_pair(first, second, share)
        for side, task, decision in zip(paired, chosen, (first, second), strict=True):
            side.append(Decision((task,), (1.0,), decision.novelty))
    return paired


def joint(first: Decision, second: Decision) -> Decision:
    """What a pair activates: a pathway for each of its inputs that is like something learned."""
    tasks = tuple(task for side in (first, second) if not side.unknown for task in side.tasks)
    weights = tuple(1.0 / len(tasks) for _ in tasks)
    return Decision(tasks, weights, min(first.novelty, second.novelty))


@dataclass(frozen=True)
class Side:
    """One input of a pair: where it went, and what its pathway said."""

    decision: Decision
    given: NDArray[np.float32] | None
    """p(class | input) [classes]; None of an unknown input."""


def answer_pair(registry: Registry, pair: tuple[Side, Side], words: Sequence[str]) -> Answer:
    """The answer of both; of one alone where the other is unlike everything learned.

    words: what to call the two inputs.
    """
    specs, said = [], []
    for side in pair:
        if side.given is not None:
            specs.append(registry.entry(side.decision.tasks[0]).spec)
            said.append((specs[-1].concepts, side.given))
    merged: list[tuple[str, float]] = []
    if len(said) == SIDES:
        merged = combine(said[0], said[1])
    elif said:
        merged = merge([(1.0, *said[0])])
    notes: tuple[str, ...] = ()
    if len(said) == 1:
        silent = 0 if pair[0].given is None else 1
        notes = (
            f"the {words[silent]} is unlike everything learned: "
            f"the {words[1 - silent]} answers alone",
        )
    return Answer(
        probabilities=as_shown(merged, specs),
        activated=tuple(Activation(pathway=s.id, weight=1.0 / len(specs)) for s in specs),
        unknown=not said,
        network_version=registry.version,
        notes=notes,
    )


def named_notes(notes: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """How the inputs of a query were converted, each note with what it is about."""
    return tuple(f"{about}: {note}" for about, listed in notes.items() for note in listed)
