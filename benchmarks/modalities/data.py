"""Digits as images and as sounds, paired by what they show, with noise added."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pathways import TaskData
from pathways.data.embedded import embedded_task
from pathways.data.real import real_task

TASKS = ("digits", "spoken")
_EMBEDDED_TRAIN, _EMBEDDED_TEST = 200, 60  # a class


@dataclass(frozen=True, kw_only=True)
class Digits:
    """Both tasks; a label is the same digit in each."""

    images: TaskData
    sounds: TaskData
    test_images: TaskData
    test_sounds: TaskData


def load_digits(data_dir: Path | None, seed: int = 0) -> Digits:
    """MNIST and the Free Spoken Digit Dataset below `data_dir`, or the embedded sets."""
    if data_dir is None:
        images, sounds = (
            embedded_task(
                name, train_per_class=_EMBEDDED_TRAIN, test_per_class=_EMBEDDED_TEST, seed=seed
            )
            for name in TASKS
        )
    else:
        images, sounds = (real_task(name, data_dir) for name in TASKS)
    assert images[0].labels == sounds[0].labels
    return Digits(images=images[0], sounds=sounds[0], test_images=images[1], test_sounds=sounds[1])


def pair_rows(
    y_images: NDArray[np.int64], y_sounds: NDArray[np.int64], per_sound: int, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows (of images, of sounds) of pairs of one digit: every sound with so many images."""
    rng = np.random.default_rng(seed)
    sounds = rng.permutation(np.repeat(np.arange(len(y_sounds)), per_sound))
    images = np.empty_like(sounds)
    for c in np.unique(y_sounds):
        mine = np.flatnonzero(y_sounds[sounds] == c)
        candidates = rng.permutation(np.flatnonzero(y_images == c))
        images[mine] = np.resize(candidates, len(mine))
    return images, sounds


def noisy_images(x: NDArray[Any], deviation: float, seed: int) -> NDArray[np.uint8]:
    """With Gaussian noise of this standard deviation, as a share of the range of grey."""
    noise = np.random.default_rng([seed, 1]).normal(0.0, 255.0 * deviation, x.shape)
    return np.clip(np.rint(x + noise), 0, 255).astype(np.uint8)


def noisy_sounds(x: NDArray[Any], ratio_db: float | None, seed: int) -> NDArray[np.float32]:
    """With white noise so many decibels below each clip's own mean power; None: none."""
    if ratio_db is None:
        return np.asarray(x)
    power = (x**2).mean(axis=1, keepdims=True)
    noise = np.random.default_rng([seed, 2]).normal(0.0, 1.0, x.shape)
    noisy = x + noise * np.sqrt(power / 10 ** (ratio_db / 10))
    return np.asarray(np.clip(noisy, -1, 1), dtype=np.float32)
