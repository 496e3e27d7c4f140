"""Inputs of two modalities that show the same thing: which pathway each of them activates, and the
one answer that both give (paper §3.4). Pure; the dispatcher runs the pathways."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from math import inf

import numpy as np
from numpy.typing import NDArray

from cluster.concepts import as_shown
from cluster.inputs import Input
from cluster.messages import Activation, Answer, Value
from cluster.registry import Registry
from dispatcher import Decision, EvidenceConfig, Said, blend, choose_pair, combine, merge
from pathways import DataError

SIDES = 2
"""Inputs of one query at most, each of another modality (§3.5: two pathways, no more)."""

EVIDENCE = EvidenceConfig()
"""How far pathways are believed."""

_LEAST_TOLD = 0.05  # how far a pathway that was asked for is believed at least

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


def told_apart(registry: Registry, tasks: Sequence[str]) -> dict[str, str]:
    """Modality → the task that an input of it is to be asked of, of two that were told.

    Raises UnknownTask, or DataError if they are not two of different modalities.
    """
    told: dict[str, str] = {registry.entry(t).spec.signature.modality: t for t in tasks}
    if len(tasks) != SIDES or len(told) != SIDES:
        raise DataError(
            f"{', '.join(tasks)} cannot be asked together; give a task of images and one of sounds"
        )
    return told


def pair_up(
    registry: Registry,
    sides: Sequence[Sequence[Decision]],
    of_noise: Sequence[float],
    told: tuple[str, str] | None = None,
) -> list[list[Decision]]:
    """Of the one or two tasks that each input of a pair could go to, the one that it does.

    sides: for the firsts of all pairs, and for the seconds, what the dispatcher decided. Of tasks
    not much less probable those are preferred that share concepts. The weight of the one chosen is
    how far its pathway is to be believed; where that is not at all, it is not run. A task that was
    told always is. of_noise: the novelty of pure noise, on either side.
    """

    @cache
    def share(first: str, second: str) -> bool:
        known = [registry.entry(task).spec.concepts for task in (first, second)]
        return not set(known[0]).isdisjoint(known[1])

    paired: list[list[Decision]] = [[], []]
    for first, second in zip(*sides, strict=True):
        chosen = told or choose_pair(first, second, share)
        both = zip(paired, chosen, (first, second), of_noise, strict=True)
        for side, task, decision, noise in both:
            trust = max(EVIDENCE.trust(decision.novelty, noise), _LEAST_TOLD if told else 0.0)
            side.append(Decision((task,), (trust,), 0.0 if trust else inf))
    return paired


def answer_pair(
    registry: Registry,
    pair: Sequence[Decision],
    given: Sequence[NDArray[np.float32] | None],
    words: Sequence[str],
    *,
    told: bool = False,
) -> Answer:
    """The answer of both; of one alone where the other is unlike everything learned.

    given: class probabilities [classes] of each input, or a number's mean and deviation [2]; None
    where its pathway did not run. words: what to call the inputs. Two inputs that are both unlike
    what was learned vouch for each other only if their pathways name the same concept; else the
    pair is unknown, unless its tasks were told.
    """
    specs, said, numbers = [], [], []
    for decision, answered in zip(pair, given, strict=True):
        if answered is None:
            continue
        specs.append(spec := registry.entry(decision.tasks[0]).spec)
        if spec.output == "number":
            numbers.append((1.0, spec.labels[0], float(answered[0]), float(answered[1])))
        else:
            said.append(Said(spec.concepts, answered, decision.weights[0]))
    strange = not told and all(decision.weights[0] < 1.0 for decision in pair)
    if strange and (len(said) < SIDES or said[0].first != said[1].first):
        return Answer(
            probabilities=(), activated=(), unknown=True, network_version=registry.version
        )
    return Answer(
        probabilities=as_shown(_merged(said), specs),
        values=values_of(numbers),
        activated=tuple(Activation(pathway=s.id, weight=1.0 / len(specs)) for s in specs),
        unknown=False,
        network_version=registry.version,
        notes=_remarks([decision.weights[0] for decision in pair], words),
    )


def _merged(said: Sequence[Said]) -> Sequence[tuple[str, float]]:
    if len(said) == SIDES:
        return combine(said[0], said[1], EVIDENCE)
    return merge([(1.0, one.concepts, one.probabilities) for one in said]) if said else ()


def values_of(numbers: Sequence[tuple[float, str, float, float]]) -> tuple[Value, ...]:
    """What pathways tell of numbers, given as (weight, name, mean, deviation), most probable
    first."""
    return tuple(Value(**vars(blended)) for blended in blend(numbers))


def _remarks(trust: Sequence[float], words: Sequence[str]) -> tuple[str, ...]:
    """On inputs that are unlike what was learned."""
    remarks = []
    for side, (believed, about) in enumerate(zip(trust, words, strict=True)):
        if believed == 0.0:
            alone = f"the {words[1 - side]} answers alone"
            remarks.append(f"the {about} is unlike everything learned: {alone}")
        elif believed < 1.0:
            remarks.append(f"the {about} is unlike what was learned and counts for less")
    return tuple(remarks)


def activated(answer: Answer) -> Decision:
    """What a pair activated, as the dispatcher counts it."""
    tasks = tuple(part.pathway.task for part in answer.activated)
    return Decision(tasks, tuple(p.weight for p in answer.activated), inf if answer.unknown else 0)


def named_notes(notes: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """How the inputs of a query were converted, each note with what it is about."""
    return tuple(f"{about}: {note}" for about, listed in notes.items() for note in listed)
