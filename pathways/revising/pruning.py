"""Pruning (§3.6): whole hidden units are freed, so that a pathway gets smaller and faster.

The rest is trained to answer as the whole pathway did, either of the training inputs as they are or
of varied ones: of those the whole says less surely what to answer, which teaches more, but to learn
them takes units. Which suits the task is tried out on a part of the training data. The width is
searched on one half of the held-out examples and confirmed on the other, which had no part in
choosing it.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from pathways.augmentation import varies
from pathways.data.task import TaskData
from pathways.device import CPU, own_randomness
from pathways.errors import DataError
from pathways.frozen import FrozenPathway, StoredPathway, seal
from pathways.ids import PathwayId
from pathways.model import PathwayModel, as_tensor
from pathways.revising.distilling import Taught
from pathways.revising.examples import Parts, halves, part
from pathways.revising.measuring import microseconds, right
from pathways.revising.narrowing import Narrowing
from pathways.revising.proof import Paired, compare
from pathways.revising.revised import Report, Revised, percent, silent
from pathways.revising.searching import least_that_holds
from pathways.spec import Fact, Revision
from pathways.training import TrainConfig, minimise

_FINENESS = 16  # the search goes in steps of this part of the width
_LABELS = 0.1  # weight of the true labels beside the answers of the whole
_TRIAL = 1 / 3  # of the epochs, to find out how to teach
_TRIAL_PARTS = 5  # of the training data, of which one is not shown in that


@dataclass(frozen=True, kw_only=True)
class PruneConfig:
    """How far a pathway is pruned."""

    max_loss: float = 0.005
    """Share of held-out examples that may be lost, 0..1."""
    keep: int | None = None
    """Hidden units to keep; None for as few as `max_loss` allows."""
    held_out_share: float = 0.1
    """Part of the data set aside to decide by, if the version in service was learned without
    setting any aside."""
    seed: int = 0
    """Of training and of the halves of the held-out examples."""
    train: TrainConfig = field(default_factory=lambda: TrainConfig(epochs=30, learning_rate=2e-3))
    """How what is left is trained to answer as the whole did. Whether inputs are varied is tried
    out, whatever `augment` says."""

    def __post_init__(self) -> None:
        if not 0 <= self.max_loss < 1:
            raise DataError(f"max_loss must be at least 0 and under 1, got {self.max_loss}")
        if self.keep is not None and self.keep < 1:
            raise DataError(f"keeping {self.keep} units would empty a layer; keep 1 or more")
        if not 0 < self.held_out_share < 1:
            raise DataError(f"held_out_share must lie between 0 and 1, got {self.held_out_share}")


def prune(
    stored: StoredPathway,
    source: StoredPathway | None,
    data: TaskData,
    config: PruneConfig,
    version: int,
    report: Report = silent,
    held_out: TaskData | None = None,
    device: torch.device = CPU,
) -> Revised:
    """Find the narrowest version that loses no more than `config.max_loss`.

    stored: the version in service; source: the pathway it has links from, if any: it keeps them.
    data: examples of the task; held_out: others, or None to set some of `data` aside;
    device: what to compute on, if the family can.
    Reproducible but for the measured times. Raises DataError if no version is that good or the
    data are too few, FamilyError if units of the family cannot be left out, and WeightsError for
    damaged files.
    """
    started = time.monotonic()
    frozen = FrozenPathway.load(stored, source, device=device)
    parts = part(stored.spec, data, held_out, config.held_out_share)
    model, judged = _Pruning(frozen, parts, config, report).carry_out()
    training = replace(
        stored.spec.training,
        held_out_accuracy=judged.after,
        held_out_examples=judged.examples,
        held_out_share=parts.share,
        seconds=round(time.monotonic() - started, 3),
    )
    id = PathwayId(stored.spec.id.task, version)
    smaller = seal(replace(stored.spec, id=id, training=training), model, frozen.source_body)
    facts = _sizes(frozen, stored, model, smaller) | _losses(judged, config)
    after = FrozenPathway.load(smaller, source, device=device)
    times = microseconds([frozen, after], parts.held_out.x)
    facts |= {"microseconds_before": times[0], "microseconds_after": times[1]}
    revision = Revision(kind="pruned", of=stored.spec.id, facts=facts)
    smaller = replace(smaller, spec=replace(smaller.spec, revision=revision))
    return Revised(pathways=(smaller,), facts=facts, summary=_told(facts))


class _Pruning:
    """Trains versions of several widths and judges them."""

    def __init__(
        self, frozen: FrozenPathway, parts: Parts, config: PruneConfig, report: Report
    ) -> None:
        self._frozen, self._held_out = frozen, parts.held_out
        self._config, self._report = config, report
        self._width = frozen.model.body.width
        x = as_tensor(parts.train.x, frozen.device)
        self._narrowing = Narrowing(frozen.spec.family, frozen.model, x)
        self._y = as_tensor(parts.train.y, frozen.device)
        self._rows = torch.arange(len(x), device=frozen.device)
        self._taught = self._best_taught(x)

    def carry_out(self) -> tuple[PathwayModel, Paired]:
        """The version to publish, and how it compares on examples that had no part in choosing
        it."""
        if (keep := self._config.keep) is None:
            return self._narrowest()
        if keep >= self._width:
            raise DataError(
                f"{self._frozen.spec.id} has {self._width} units, so keeping {keep} prunes nothing"
            )
        model = self._trained(keep, self._report)
        judged = self._judge(model, self._held_out)
        if judged.loss > self._config.max_loss:
            raise self._too_much(keep, judged.loss)
        return model, judged

    def _narrowest(self) -> tuple[PathwayModel, Paired]:
        found = least_that_holds(
            self._widths(),
            self._trained,
            self._judge,
            halves(self._held_out, self._config.seed),
            self._config.max_loss,
            self._report,
        )
        if found.loss > self._config.max_loss:
            raise self._too_much(found.option, found.loss)
        return found.made, found.judged

    def _widths(self) -> list[int]:
        if self._width == 1:
            raise DataError(f"{self._frozen.spec.id} has one unit; to prune it would empty a layer")
        return sorted({max(1, self._width * i // _FINENESS) for i in range(1, _FINENESS)})

    def _best_taught(self, x: Tensor) -> Taught:
        """The training inputs x as they are or varied, by which of them a model of the width asked
        for, or of half the units, learns more of what the whole says of inputs it has not seen."""
        train = self._config.train
        plain = Taught(self._frozen, x, replace(train, augment=False))
        width = self._config.keep or self._width // 2
        a_choice = varies(self._frozen.spec.signature) and len(x) >= _TRIAL_PARTS
        if not a_choice or not 0 < width < self._width:
            return plain
        varied = Taught(self._frozen, x, replace(train, augment=True))
        short = replace(train, epochs=math.ceil(train.epochs * _TRIAL))
        unseen = self._rows % _TRIAL_PARTS == 0
        agreement = {}
        for taught in (plain, varied):
            model = self._train(width, taught, self._rows[~unseen], short, silent)
            agreement[taught] = taught.agreement(model.eval(), self._rows[unseen])
        return max(agreement, key=lambda taught: agreement[taught])

    def _trained(self, width: int, report: Report) -> PathwayModel:
        return self._train(width, self._taught, self._rows, self._config.train, report)

    def _train(
        self, width: int, taught: Taught, rows: Tensor, budget: TrainConfig, report: Report
    ) -> PathwayModel:
        """A model of so many units that was taught by these rows of the training data."""

        def loss(places: Tensor) -> tuple[Tensor, Tensor]:
            own = rows[places]
            divergence, logits = taught.loss(model, own)
            return divergence + _LABELS * F.cross_entropy(logits, self._y[own]), logits

        model = self._narrowing.to(width)
        with own_randomness(self._frozen.device):
            torch.manual_seed(self._config.seed)
            model.train()
            minimise(model.parameters(), loss, self._y[rows], budget, report)
        return model

    def _judge(self, model: PathwayModel, data: TaskData) -> Paired:
        lent = self._frozen.source_body
        return compare(right(self._frozen.model, lent, data), right(model, lent, data))

    def _too_much(self, width: int, loss: float) -> DataError:
        return DataError(
            f"{self._frozen.spec.id} cannot be pruned at a loss of {percent(self._config.max_loss)}"
            f" at most: with {width} of {self._width} units it loses {percent(loss)} of the "
            "held-out examples; allow more loss, keep more units, or give more data"
        )


def _sizes(
    frozen: FrozenPathway, stored: StoredPathway, model: PathwayModel, smaller: StoredPathway
) -> dict[str, Fact]:
    return {
        "units_before": frozen.model.body.width,
        "units_after": model.body.width,
        "parameters_before": stored.spec.parameters,
        "parameters_after": smaller.spec.parameters,
        "file_bytes_before": len(stored.weights),
        "file_bytes_after": len(smaller.weights),
    }


def _losses(judged: Paired, config: PruneConfig) -> dict[str, Fact]:
    return {
        "accuracy_before": judged.before,
        "accuracy_after": judged.after,
        "held_out_examples": judged.examples,
        "loss": judged.loss,
        "max_loss": config.max_loss,
    }


def _told(facts: dict[str, Fact]) -> str:
    return (
        f"smaller: {facts['units_before']} → {facts['units_after']} units, "
        f"{facts['parameters_before']:,} → {facts['parameters_after']:,} weights, "
        f"{facts['microseconds_before']:.1f} → {facts['microseconds_after']:.1f} µs an input; "
        f"{percent(float(facts['accuracy_before']))} → {percent(float(facts['accuracy_after']))} "
        f"of {facts['held_out_examples']:,} held-out examples right"
    )
