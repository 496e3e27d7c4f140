"""Experience replay (Chaudhry et al. 2019, arXiv:1902.10486) from a class-balanced memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.paper.profiles import Profile
from benchmarks.paper.systems.base import Report
from benchmarks.paper.systems.multitask import MultiTask
from pathways import DataError, TaskData, TrainConfig
from pathways.training import Objective


@dataclass(frozen=True)
class Memory:
    """Examples of earlier tasks as one set over the classes of all of them."""

    x: Tensor
    """Prepared inputs [m, …]."""
    y: Tensor
    """Class int64 [m], an index into the classes of all earlier tasks in order."""
    allowed: Tensor
    """Bool [m, classes of all earlier tasks]: the classes of the example's own task."""


class Replay(MultiTask):
    """`MultiTask` that joins every batch with as many examples of earlier tasks.

    It takes as many steps as the other systems, each on twice the examples from the second
    task on. A batch and what joins it count the same.
    """

    def __init__(self, profile: Profile, seed: int) -> None:
        super().__init__(profile, seed)
        self.kept: dict[str, TaskData] = {}

    @property
    def memory_bytes(self) -> int:
        """Bytes of the inputs and labels it keeps."""
        return sum(data.x.nbytes + data.y.nbytes for data in self.kept.values())

    def _train(self, task: str, data: TaskData, config: TrainConfig, report: Report) -> None:
        super()._train(task, data, config, report)
        self.kept = balanced(
            {**self.kept, task: data},
            self.profile.baselines.replay_examples,
            np.random.default_rng([self.seed, len(self.kept)]),
        )

    def _objective(self, task: str, x: Tensor, y: Tensor) -> Objective:
        if not self.kept:
            return super()._objective(task, x, y)
        network, memory = self.network, self._memory()

        def joined(rows: Tensor) -> tuple[Tensor, Tensor]:
            drawn = torch.randint(len(memory.y), (len(rows),))
            new, old = network.body(torch.cat([x[rows], memory.x[drawn]])).split(len(rows))
            logits = network.heads[task](new)
            replayed = torch.cat([network.heads[name](old) for name in self.kept], dim=1)
            replayed = replayed.masked_fill(~memory.allowed[drawn], -torch.inf)
            losses = (
                F.cross_entropy(logits, y[rows]),
                F.cross_entropy(replayed, memory.y[drawn]),
            )
            return sum(losses, torch.zeros(())) / 2, logits

        return joined

    def _memory(self) -> Memory:
        sizes = [len(data.labels) for data in self.kept.values()]
        first = np.cumsum([0, *sizes[:-1]])
        lengths = torch.tensor([len(data) for data in self.kept.values()])
        column_task = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
        row_task = torch.arange(len(sizes)).repeat_interleave(lengths)
        y = [data.y + start for data, start in zip(self.kept.values(), first, strict=True)]
        return Memory(
            x=torch.cat([self._prepared(data) for data in self.kept.values()]),
            y=torch.from_numpy(np.concatenate(y)),
            allowed=row_task[:, None] == column_task,
        )


def balanced(
    kept: dict[str, TaskData], examples: int, rng: np.random.Generator
) -> dict[str, TaskData]:
    """At most `examples` of them, as many of each class of each task as there are (or fewer)."""
    quota = examples // sum(len(data.labels) for data in kept.values())
    if quota < 1:
        raise DataError(
            f"a memory of {examples} examples holds none of some classes; allow at least "
            f"{sum(len(data.labels) for data in kept.values())} (replay_examples)"
        )
    return {task: data.shots(quota, rng) for task, data in kept.items()}
