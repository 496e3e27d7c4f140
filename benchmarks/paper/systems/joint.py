"""The upper bound: one base model trained on all tasks at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import accumulate
from statistics import mean

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.paper.profiles import Profile
from benchmarks.paper.systems.base import Report, System, silent
from benchmarks.paper.systems.network import (
    base_body,
    check_learned,
    check_same,
    seeded,
)
from pathways import TaskData, divide
from pathways.model import PathwayModel, as_tensor, freeze, hidden_in_batches, parameter_count
from pathways.training import train


class JointTraining(System):
    """One body and one head over the classes of all tasks; no continual learner.

    Its budget is the mean epochs of the tasks over the union of their data. Sizes, batch
    size and learning rate are those of the first task's config.
    """

    def __init__(self, profile: Profile, seed: int) -> None:
        super().__init__(profile, seed)
        self.classes: list[tuple[str, int]] = []
        """(task, class index in it) of every class of the head."""
        self._columns: dict[str, slice] = {}
        self._model: PathwayModel | None = None

    @property
    def parameters(self) -> int:
        """Weights of the one model."""
        return parameter_count(self._model) if self._model else 0

    def learn(self, task: str, data: TaskData, shots: int | None, report: Report = silent) -> None:
        raise TypeError("joint training needs all tasks at once; call learn_all")

    def learn_all(self, datas: Mapping[str, TaskData], report: Report = silent) -> None:
        """Train on all of `datas`; raises SignatureError if their inputs differ in kind."""
        configs = {task: self.profile.config(task, None, self.seed) for task in datas}
        parts = {task: divide(data, configs[task]).train for task, data in datas.items()}
        first, config = next(iter(parts.values())), next(iter(configs.values()))
        for data in parts.values():
            check_same(data.signature, first.signature)
        epochs = mean(configs[task].train.epochs_for(len(data)) for task, data in parts.items())
        self._number_classes(datas)
        with seeded(self.seed, "joint"):
            body = base_body(first.signature, config)
            self._model = PathwayModel(body, len(self.classes))
            x = as_tensor(np.concatenate([data.x for data in parts.values()]))
            y = torch.cat([as_tensor(d.y) + self._columns[task].start for task, d in parts.items()])
            train(self._model, x, y, None, replace(config.train, epochs=round(epochs)), report)
        freeze(self._model)

    def probabilities(self, task: str, data: TaskData) -> NDArray[np.float32]:
        check_learned(task, list(self._columns))
        return self._logits(data)[:, self._columns[task]].softmax(dim=1).numpy()

    def joint_probabilities(self, data: TaskData) -> NDArray[np.float32]:
        """p(task, class | x) float32 [n, classes of all tasks], in the order of `classes`."""
        return self._logits(data).softmax(dim=1).numpy()

    def _number_classes(self, datas: Mapping[str, TaskData]) -> None:
        self.classes = [(task, c) for task, d in datas.items() for c in range(len(d.labels))]
        ends = list(accumulate(len(data.labels) for data in datas.values()))
        self._columns = {
            task: slice(end - len(data.labels), end)
            for (task, data), end in zip(datas.items(), ends, strict=True)
        }

    @torch.inference_mode()
    def _logits(self, data: TaskData) -> Tensor:
        assert self._model is not None, "nothing was learned yet; call learn_all"
        body = self._model.body
        logits: Tensor = self._model.head(hidden_in_batches(body, body.prepare(as_tensor(data.x))))
        return logits
