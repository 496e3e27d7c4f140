"""The signature gate: which group of tasks an input can go to by its type alone (paper §3.1)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Protocol

from dispatcher.errors import NoTaskFits

ASPECT_TOLERANCE = 0.10
"""How far two aspect ratios may differ before stretching one image to the other distorts it."""


class InputType(Protocol):
    """What the type of an input tells; any object with these five attributes will do."""

    @property
    def modality(self) -> str:
        """`image`, `audio`, `table` or `text`."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Image [height, width, channels], audio [samples], table [columns], text [tokens]."""

    @property
    def rate_hz(self) -> int:
        """Samples a second (audio only, else 0)."""

    @property
    def vocabulary(self) -> int:
        """Token ids there are, or up to the highest seen (text only, else 0)."""

    @property
    def key(self) -> str:
        """The signature's id."""


def gate(observed: InputType, known: Iterable[InputType]) -> str:
    """Return the key of the one known signature that `observed` belongs to.

    An exact match wins, and of a table nothing else. An image otherwise goes to the signature
    nearest in area whose aspect ratio is within 10 %, of the same channels where two are equally
    near; a clip goes to the shortest signature that holds it, or else the longest, whatever its
    rate, for resampling loses nothing that a task there would hear. Text goes to the shortest that
    holds it, or else the longest, of those whose vocabulary holds its ids, the smallest vocabulary
    first. The order of `known` is irrelevant.

    Raises NoTaskFits.
    """
    candidates = list(known)
    if any(candidate.key == observed.key for candidate in candidates):
        return observed.key
    rank = _RANKS.get(observed.modality, _no_rank)
    same = [candidate for candidate in candidates if candidate.modality == observed.modality]
    ranked = [(order, c.key) for c in same if (order := rank(observed, c)) is not None]
    if not ranked:
        raise NoTaskFits(_explain(observed, candidates))
    return min(ranked)[1]


def _image_rank(observed: InputType, candidate: InputType) -> tuple[float, ...] | None:
    """Smaller is nearer; None where the image would be distorted."""
    height, width, channels = observed.shape
    other_height, other_width, other_channels = candidate.shape
    aspect = (width * other_height) / (height * other_width)
    if max(aspect, 1 / aspect) > 1 + ASPECT_TOLERANCE:
        return None
    zoom = abs(math.log((height * width) / (other_height * other_width)))
    return (zoom, float(channels != other_channels))


def _audio_rank(observed: InputType, candidate: InputType) -> tuple[float, ...]:
    """Smaller is nearer: clips that hold the observed one by length, then the others."""
    seconds = observed.shape[0] / observed.rate_hz
    other_seconds = candidate.shape[0] / candidate.rate_hz
    return (*_by_length(seconds, other_seconds), float(candidate.rate_hz != observed.rate_hz))


def _text_rank(observed: InputType, candidate: InputType) -> tuple[float, ...] | None:
    """The same for texts; None where an id means nothing."""
    if candidate.vocabulary < observed.vocabulary:
        return None
    return (*_by_length(observed.shape[0], candidate.shape[0]), float(candidate.vocabulary))


def _by_length(observed: float, candidate: float) -> tuple[float, float]:
    """What holds the observed one comes first, the shortest of it; then the longest of the rest."""
    holds = candidate >= observed
    return (float(not holds), candidate if holds else -candidate)


def _no_rank(observed: InputType, candidate: InputType) -> None:
    """Nothing but an exact match will do."""


_RANKS: dict[str, Callable[[InputType, InputType], tuple[float, ...] | None]] = {
    "image": _image_rank,
    "audio": _audio_rank,
    "text": _text_rank,
}


def _explain(observed: InputType, known: list[InputType]) -> str:
    seen = f"no known task takes an input like {observed.key}"
    if not known:
        return f"{seen}: no task has been learned yet; learn one first"
    names = ", ".join(sorted({candidate.key for candidate in known}))
    if any(candidate.modality == observed.modality for candidate in known):
        return f"{seen}; known are {names}. {_REMEDIES[observed.modality]}, or learn a task"
    return f"{seen}; known are {names}. Send one of these kinds, or learn a task of this kind"


_REMEDIES = {
    "image": "Crop or pad it to one of these shapes",
    "audio": "Cut it to one of these lengths",
    "table": "Give as many columns as one of these tables has",
    "text": "Give ids of one of these vocabularies",
}
