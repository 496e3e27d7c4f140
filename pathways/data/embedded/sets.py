"""The embedded sets by name, each split into training and test examples drawn apart."""

from __future__ import annotations

import string
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from pathways.data.embedded.garments import GARMENTS, garment_images
from pathways.data.embedded.glyphs import glyph_images
from pathways.data.embedded.speech import spoken_clips
from pathways.data.task import TaskData
from pathways.errors import DataError
from pathways.signature import Signature, audio_signature, image_signature

Inputs = NDArray[np.uint8] | NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class _Set:
    labels: tuple[str, ...]

    make: Callable[[int, np.random.Generator], Inputs]
    """(n, rng) -> n inputs of each label in turn."""

    signature: Signature


def _characters(labels: str, kind: str) -> _Set:
    make = partial(glyph_images, labels, kind)
    return _Set(labels=tuple(labels), make=make, signature=image_signature())


_SETS: dict[str, _Set] = {
    "fashion": _Set(labels=tuple(GARMENTS), make=garment_images, signature=image_signature()),
    "digits": _characters(string.digits, "digits"),
    "lower": _characters(string.ascii_lowercase, "lower"),
    "upper": _characters(string.ascii_uppercase, "upper"),
    "spoken": _Set(labels=tuple(string.digits), make=spoken_clips, signature=audio_signature()),
}

NAMES: tuple[str, ...] = tuple(_SETS)
"""The embedded sets, in the order in which the demo learns them."""


def embedded_task(
    name: str, *, train_per_class: int, test_per_class: int, seed: int = 0
) -> tuple[TaskData, TaskData]:
    """Make the set `name` (one of NAMES): (train, test), shuffled, every class equally often.

    A seed always gives the same bytes. Both splits are drawn by generators of their own, so
    the test examples do not depend on the number of training examples. Raises DataError.
    """
    if name not in _SETS:
        raise DataError(f"there is no embedded set {name!r}; known are {', '.join(NAMES)}")
    if min(train_per_class, test_per_class) < 1:
        raise DataError(
            f"each class needs an example to train and one to test on, got train_per_class="
            f"{train_per_class}, test_per_class={test_per_class}"
        )
    if seed < 0:
        raise DataError(f"a seed is 0 or greater, got {seed}")
    train_rng, test_rng = np.random.default_rng([seed, NAMES.index(name)]).spawn(2)
    return (
        _task(_SETS[name], train_per_class, train_rng),
        _task(_SETS[name], test_per_class, test_rng),
    )


def _task(kind: _Set, per_class: int, rng: np.random.Generator) -> TaskData:
    x = kind.make(per_class, rng)
    y = np.repeat(np.arange(len(kind.labels), dtype=np.int64), per_class)
    order = rng.permutation(len(y))
    return TaskData(x=x[order], y=y[order], labels=kind.labels, signature=kind.signature)
