"""What a pathway gets right, and how long it takes."""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from pathways.data.task import TaskData
from pathways.device import device_of
from pathways.families import Body
from pathways.frozen import FrozenPathway, Inputs
from pathways.model import PathwayModel, as_tensor

_BATCH = 1024  # rows answered at a time; bounds memory
_ROWS = 256  # inputs in a timed call
_PASSES = 15


def trainable(model: PathwayModel) -> PathwayModel:
    """A copy of a frozen model that can be trained."""
    return copy.deepcopy(model).requires_grad_(True)


@torch.inference_mode()
def right(model: PathwayModel, lent: Body | None, data: TaskData) -> NDArray[np.bool_]:
    """Which examples [n] of its task a model gets right; `lent` is the body its links read."""
    model.eval()
    given = []
    for x in as_tensor(data.x, device_of(model)).split(_BATCH):
        hidden = lent(lent.prepare(x)) if lent else None
        given.append(model(model.body.prepare(x), hidden).argmax(dim=1))
    found: NDArray[np.bool_] = torch.cat(given).cpu().numpy() == data.y
    return found


def microseconds(versions: Sequence[FrozenPathway], x: Inputs) -> list[float]:
    """Time an input takes in batches of 256 on the threads that torch has here: the least of
    several passes in which the versions take turns, as what else runs can only add to it."""
    rows = x[np.arange(_ROWS) % len(x)]
    taken: list[list[float]] = [[] for _ in versions]
    for _ in range(_PASSES):
        for version, times in zip(versions, taken, strict=True):
            started = time.perf_counter()
            version.probabilities(rows)
            times.append(time.perf_counter() - started)
    return [1e6 * min(times) / _ROWS for times in taken]
