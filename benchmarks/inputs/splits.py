"""Parting a task's data for a benchmark."""

from __future__ import annotations

import numpy as np

from pathways import TaskData

Split = tuple[TaskData, TaskData]
"""(train, test)"""

_TEST_SHARE = 0.25


def parted(data: TaskData, seed: int) -> Split:
    """A quarter of every class, or of every tenth of a number's range, set aside to test on."""
    train, test = data.split(_TEST_SHARE, np.random.default_rng(seed))
    assert test is not None, "every class has four examples and more"
    return train, test
