"""What the baselines share: a body with a head per task, and one training loop."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.paper.systems.base import Report
from pathways import DataError, LearnConfig, Signature, SignatureError, TrainConfig
from pathways.families import Body, default_family, make_body
from pathways.training import Objective, minimise


class MultiHead(nn.Module):
    """One body and, for every task learned so far, a linear head."""

    def __init__(self, body: Body, signature: Signature) -> None:
        super().__init__()
        self.body = body
        self.signature = signature
        self.heads = nn.ModuleDict()

    def add_head(self, task: str, classes: int, signature: Signature) -> None:
        """A head with fresh weights; raises DataError or SignatureError."""
        check_new(task, list(self.heads))
        check_same(signature, self.signature)
        self.heads[task] = nn.Linear(self.body.width, classes)

    def forward(self, prepared: Tensor, task: str) -> Tensor:
        """Logits float32 [n, classes of the task]."""
        logits: Tensor = self.heads[task](self.body(prepared))
        return logits


def base_body(signature: Signature, config: LearnConfig) -> Body:
    """The base model every system is built from, with fresh weights."""
    return make_body(config.family or default_family(signature), signature, config.options)


def cross_entropy(model: Callable[[Tensor], Tensor], x: Tensor, y: Tensor) -> Objective:
    """The plain objective on prepared inputs [n, …] and classes int64 [n]."""

    def objective(rows: Tensor) -> tuple[Tensor, Tensor]:
        logits = model(x[rows])
        return F.cross_entropy(logits, y[rows]), logits

    return objective


def fit(
    model: nn.Module, objective: Objective, y: Tensor, config: TrainConfig, report: Report
) -> None:
    """Minimise `objective` over the rows of `y` int64 [n] and leave `model` in eval mode.

    As `pathways.training.train` does, with the same optimiser, budget and order of batches.
    """
    model.train()
    minimise(model.parameters(), objective, y, config, report)
    model.eval()


@contextmanager
def seeded(seed: int, task: str) -> Iterator[None]:
    """Within, torch draws what `seed` and `task` say; afterwards it goes on as before."""
    mixed = np.random.SeedSequence([seed, zlib.crc32(task.encode())]).generate_state(1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(mixed[0]))
        yield


def check_new(task: str, learned: list[str]) -> None:
    """Raise DataError if `task` was learned before."""
    if task in learned:
        raise DataError(f"task {task!r} is learned already; a baseline learns a task once")


def check_learned(task: str, learned: list[str]) -> None:
    """Raise DataError unless `task` was learned."""
    if task not in learned:
        raise DataError(
            f"task {task!r} was not learned; learned are {', '.join(learned) or 'none'}"
        )


def check_same(given: Signature, wanted: Signature) -> None:
    """Raise SignatureError if a task cannot share a network with the tasks before it."""
    if given != wanted:
        raise SignatureError(
            f"the network reads {wanted.key} and the task has {given.key}; learn it with a "
            "system of its own"
        )
