"""Learning without forgetting (Li and Hoiem 2016, arXiv:1606.09282)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.paper.systems.multitask import MultiTask
from pathways.model import hidden_in_batches
from pathways.training import Objective


class Lwf(MultiTask):
    """`MultiTask` that also keeps what the old heads said of the new task's inputs.

    The paper's warm-up, in which only the new head is trained, is left out, as in Avalanche:
    it would be budget that no other system gets.
    """

    def _objective(self, task: str, x: Tensor, y: Tensor) -> Objective:
        network, baselines = self.network, self.profile.baselines
        recorded = self._record(task, x)

        def distilled(rows: Tensor) -> tuple[Tensor, Tensor]:
            hidden = network.body(x[rows])
            logits = network.heads[task](hidden)
            loss = F.cross_entropy(logits, y[rows])
            for old, said in recorded.items():
                says = network.heads[old](hidden)
                loss = loss + baselines.lwf_strength * distillation(
                    says, said[rows], baselines.lwf_temperature
                )
            return loss, logits

        return distilled

    @torch.inference_mode()
    def _record(self, task: str, x: Tensor) -> dict[str, Tensor]:
        """Logits [n, classes] of every old head before training, by task."""
        hidden = hidden_in_batches(self.network.body, x)
        return {old: head(hidden) for old, head in self.network.heads.items() if old != task}


def distillation(logits: Tensor, wanted: Tensor, temperature: float) -> Tensor:
    """Divergence KL(wanted ‖ logits) of the softened probabilities, mean over [n, classes]."""
    return F.kl_div(
        (logits / temperature).log_softmax(dim=1),
        (wanted / temperature).softmax(dim=1),
        reduction="batchmean",
    )
