"""The signature gate: which group of tasks an input can go to by its type alone (paper §3.1)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Protocol

from dispatcher.errors import NoTaskFits

ASPECT_TOLERANCE = 0.10
"""How far two aspect ratios may differ before stretching one image to the other distorts it."""


class InputType(Protocol):
    """What the type of an input tells; any object with these four attributes will do."""

    @property
    def modality(self) -> str:
        """`image` or `audio`."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Image [height, width, channels], audio [samples]."""

    @property
    def rate_hz(self) -> int:
        """Samples a second (audio only, else 0)."""

    @property
    def key(self) -> str:
        """The signature's id."""


def gate(observed: InputType, known: Iterable[InputType]) -> str:
    """Return the key of the one known signature that `observed` belongs to.

    An exact match wins. An image otherwise goes to the signature nearest in area whose
    aspect ratio is within 10 %, of the same channels where two are equally near; a clip goes
    to the shortest signature that holds it, or else the longest, whatever its rate, for
    resampling loses nothing that a task there would hear. The order of `known` is irrelevant.

    Raises NoTaskFits.
    """
    candidates = list(known)
    if any(candidate.key == observed.key for candidate in candidates):
        return observed.key
    rank = _image_rank if observed.modality == "image" else _audio_rank
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
    holds = other_seconds >= seconds
    length = other_seconds if holds else -other_seconds
    return (float(not holds), length, float(candidate.rate_hz != observed.rate_hz))


def _explain(observed: InputType, known: list[InputType]) -> str:
    seen = f"no known task takes an input like {observed.key}"
    if not known:
        return f"{seen}: no task has been learned yet; learn one first"
    names = ", ".join(sorted({candidate.key for candidate in known}))
    if any(candidate.modality == observed.modality for candidate in known):
        return f"{seen}; known are {names}. Crop or pad it to one of these shapes, or learn a task"
    return f"{seen}; known are {names}. Send one of these kinds, or learn a task of this kind"
