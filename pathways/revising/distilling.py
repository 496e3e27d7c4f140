"""Training a model to answer as an earlier one did (Hinton et al. 2015; Li and Hoiem 2016)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from pathways.augmentation import vary
from pathways.frozen import FrozenPathway
from pathways.model import PathwayModel
from pathways.training import TrainConfig, hidden_units

_TEMPERATURE = 2.0  # softens answers, so that what is wrong but similar counts too
_BATCH = 1024  # rows answered at a time; bounds memory


@dataclass(frozen=True, kw_only=True)
class _Said:
    """Rows as a body reads them, with the teacher's logits."""

    prepared: Tensor
    lent: Tensor | None
    whole: Tensor
    own: Tensor
    """Of the teacher's own head alone."""

    def take(self, rows: Tensor) -> _Said:
        return _Said(
            prepared=self.prepared[rows],
            lent=None if self.lent is None else self.lent[rows],
            whole=self.whole[rows],
            own=self.own[rows],
        )


class Taught:
    """A task's examples with what its frozen pathway says of them."""

    def __init__(self, teacher: FrozenPathway, x: Tensor, config: TrainConfig) -> None:
        """x: raw inputs [n, *shape]. Whatever learns from this prepares inputs as the teacher."""
        self._teacher = teacher
        self._x, self._config = x, config
        self._own_share = config.own_loss_weight if teacher.source_body else 0.0
        self._fixed = None if config.augment else self._say_all()

    def __len__(self) -> int:
        return len(self._x)

    def loss(self, model: PathwayModel, rows: Tensor) -> tuple[Tensor, Tensor]:
        """(divergence of the model's answers to `rows` from the teacher's, its logits).

        A share of it is that of the own heads alone, as in first training, so that the model can
        go on lending its hidden units.
        """
        if self._fixed is None:
            said = self._say(vary(self._x[rows], self._teacher.spec.signature))
        else:
            said = self._fixed.take(rows)
        own = model.head(hidden_units(model.body, said.prepared, self._config))
        logits = model.combine(own, said.lent)
        loss = (1 - self._own_share) * _divergence(logits, said.whole)
        if self._own_share:
            loss = loss + self._own_share * _divergence(own, said.own)
        return loss, logits

    @torch.no_grad()
    def agreement(self, model: PathwayModel, rows: Tensor) -> float:
        """Share of `rows`, not varied, of which the model says what the teacher says, 0..1."""
        alike = 0
        for part in rows.split(_BATCH):
            said = self._say(self._x[part])
            logits = model.combine(model.head(model.body(said.prepared)), said.lent)
            alike += int((logits.argmax(dim=1) == said.whole.argmax(dim=1)).sum())
        return alike / len(rows)

    def _say_all(self) -> _Said:
        parts = [self._say(x) for x in self._x.split(_BATCH)]
        lent = [part.lent for part in parts if part.lent is not None]
        return _Said(
            prepared=torch.cat([part.prepared for part in parts]),
            lent=torch.cat(lent) if lent else None,
            whole=torch.cat([part.whole for part in parts]),
            own=torch.cat([part.own for part in parts]),
        )

    @torch.no_grad()
    def _say(self, x: Tensor) -> _Said:
        model, body = self._teacher.model, self._teacher.source_body
        prepared = model.body.prepare(x)
        lent = body(body.prepare(x)) if body else None
        own = model.head(model.body(prepared))
        return _Said(prepared=prepared, lent=lent, whole=model.combine(own, lent), own=own)


def _divergence(logits: Tensor, wanted: Tensor) -> Tensor:
    """Kullback-Leibler divergence of softened answers, nats, scaled as Hinton et al. do."""
    said = (logits / _TEMPERATURE).log_softmax(dim=1)
    given = (wanted / _TEMPERATURE).log_softmax(dim=1)
    loss = F.kl_div(said, given, log_target=True, reduction="batchmean")
    return _TEMPERATURE**2 * loss
