"""Multi-task (seq) of the paper (§4.2): one network that does not grow, trained task by task."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.paper.profiles import Profile
from benchmarks.paper.systems.base import Report, System, silent
from benchmarks.paper.systems.network import (
    MultiHead,
    base_body,
    check_learned,
    cross_entropy,
    fit,
    seeded,
)
from pathways import LearnConfig, TaskData, TrainConfig, divide
from pathways.model import as_tensor, hidden_in_batches, parameter_count
from pathways.training import Objective


class MultiTask(System):
    """A shared body with a head per task, fine-tuned on each task in turn.

    Its body has the sizes of the first task's config. EWC, LwF and replay are this system
    with another objective.
    """

    def __init__(self, profile: Profile, seed: int) -> None:
        super().__init__(profile, seed)
        self._network: MultiHead | None = None

    @property
    def network(self) -> MultiHead:
        """The network as it is now; there is none before the first task."""
        assert self._network is not None, "no task was learned yet"
        return self._network

    @property
    def parameters(self) -> int:
        """Weights of the network with all heads."""
        return parameter_count(self._network) if self._network else 0

    def learn(self, task: str, data: TaskData, shots: int | None, report: Report = silent) -> None:
        config = self.profile.config(task, shots, self.seed)
        with seeded(self.seed, task):
            self._expand(task, data, config)
            if shots != 0:
                self._train(task, divide(data, config).train, config.train, report)

    @torch.inference_mode()
    def probabilities(self, task: str, data: TaskData) -> NDArray[np.float32]:
        check_learned(task, list(self._network.heads) if self._network else [])
        hidden = hidden_in_batches(self.network.body, self._prepared(data))
        logits: Tensor = self.network.heads[task](hidden)
        return logits.softmax(dim=1).numpy()

    def _expand(self, task: str, data: TaskData, config: LearnConfig) -> None:
        if self._network is None:
            self._network = MultiHead(base_body(data.signature, config), data.signature).eval()
        self._network.add_head(task, len(data.labels), data.signature)

    def _train(self, task: str, data: TaskData, config: TrainConfig, report: Report) -> None:
        x, y = self._prepared(data), as_tensor(data.y)
        fit(self.network, self._objective(task, x, y), y, config, report)

    def _objective(self, task: str, x: Tensor, y: Tensor) -> Objective:
        """What is minimised on the new task's prepared inputs [n, …] and classes int64 [n]."""
        network = self.network
        return cross_entropy(lambda rows: network(rows, task), x, y)

    def _prepared(self, data: TaskData) -> Tensor:
        return self.network.body.prepare(as_tensor(data.x))
