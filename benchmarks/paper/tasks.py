"""The five tasks of the paper in its order, as (train, test)."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np

from pathways import TaskData
from pathways.data.embedded import embedded_task
from pathways.data.real import real_task

TASKS = ("fashion", "digits", "lower", "upper", "spoken")
IMAGE_TASKS = TASKS[:4]
TITLES = {
    "fashion": "Fashion",
    "digits": "MNIST",
    "lower": "LOWER",
    "upper": "UPPER",
    "spoken": "Audio",
}

Letters = Literal["cased", "emnist"]
"""Where real letters are read from: LettersCased, or torchvision's EMNIST ByClass."""

_LETTER_TASKS = ("lower", "upper")
_LETTER_FOLDERS: dict[Letters, str] = {"cased": "LettersCased", "emnist": "EMNIST"}
_EMBEDDED_TRAIN, _EMBEDDED_TEST = 100, 30  # examples a class
_VALIDATION_SHARE = 1 / 6
_SPLIT_SEED = 2020  # of no other meaning: every choice is made on the same split


def load_task(
    name: str, data_dir: Path | None, *, validation: bool, letters: Letters = "cased"
) -> tuple[TaskData, TaskData]:
    """(train, test) of a task; made-up data if `data_dir` is None.

    With `validation` the test part is left alone: a sixth of every class of the training part
    takes its place. Every setting is chosen so. Raises DataError.
    """
    train, test = _embedded(name) if data_dir is None else _real(name, data_dir, letters)
    if not validation:
        return train, test
    kept, held_out = train.split(_VALIDATION_SHARE, np.random.default_rng(_SPLIT_SEED))
    assert held_out is not None, f"{name} has too few examples to validate on"
    return kept, held_out


def _embedded(name: str) -> tuple[TaskData, TaskData]:
    return embedded_task(name, train_per_class=_EMBEDDED_TRAIN, test_per_class=_EMBEDDED_TEST)


def _real(name: str, data_dir: Path, letters: Letters) -> tuple[TaskData, TaskData]:
    folder = _LETTER_FOLDERS[letters] if name in _LETTER_TASKS else None
    return real_task(name, data_dir, folder=folder)
