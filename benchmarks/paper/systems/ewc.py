"""Elastic weight consolidation (Kirkpatrick et al. 2017, arXiv:1612.00796)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from benchmarks.paper.profiles import Profile
from benchmarks.paper.systems.base import Report
from benchmarks.paper.systems.multitask import MultiTask
from pathways import TaskData, TrainConfig
from pathways.model import as_tensor
from pathways.training import Objective


@dataclass(frozen=True)
class Anchor:
    """What a learned task asks of the weights, by parameter name."""

    importance: dict[str, Tensor]
    value: dict[str, Tensor]

    def penalty(self, model: nn.Module) -> Tensor:
        """Σ importance · (weight − value)², a scalar; later parameters do not count."""
        terms = [
            (self.importance[name] * (parameter - self.value[name]).square()).sum()
            for name, parameter in model.named_parameters()
            if name in self.value
        ]
        return torch.stack(terms).sum()


class Ewc(MultiTask):
    """`MultiTask` with one quadratic penalty for every earlier task.

    This is the mode "separate" of Avalanche's EWCPlugin, with its importances.
    """

    def __init__(self, profile: Profile, seed: int) -> None:
        super().__init__(profile, seed)
        self.anchors: list[Anchor] = []

    def _train(self, task: str, data: TaskData, config: TrainConfig, report: Report) -> None:
        super()._train(task, data, config, report)
        y = as_tensor(data.y)
        objective = super()._objective(task, self._prepared(data), y)
        importance = importances(self.network, objective, len(y), config.batch_size)
        value = {name: p.detach().clone() for name, p in self.network.named_parameters()}
        self.anchors.append(Anchor(importance, value))

    def _objective(self, task: str, x: Tensor, y: Tensor) -> Objective:
        plain, strength = super()._objective(task, x, y), self.profile.baselines.ewc_strength

        def penalised(rows: Tensor) -> tuple[Tensor, Tensor]:
            loss, logits = plain(rows)
            for anchor in self.anchors:
                loss = loss + strength * anchor.penalty(self.network)
            return loss, logits

        return penalised


def importances(
    model: nn.Module, objective: Objective, examples: int, batch_size: int
) -> dict[str, Tensor]:
    """Squared gradient of each batch's mean loss, averaged over the batches in order.

    By parameter name, of the parameter's shape. As in Avalanche, this stands for the diagonal
    of the Fisher information, which would take a gradient for every example.
    """
    total = {name: torch.zeros_like(p) for name, p in model.named_parameters()}
    batches = torch.arange(examples).split(batch_size)
    for rows in batches:
        model.zero_grad(set_to_none=True)
        objective(rows)[0].backward()
        for name, parameter in model.named_parameters():
            if parameter.grad is not None:
                total[name] += parameter.grad.square()
    model.zero_grad(set_to_none=True)
    return {name: sum_of / len(batches) for name, sum_of in total.items()}
