"""Backward transfer (§3.3): an earlier task gains from a later one.

The later pathway stays frozen and lends its hidden units; the earlier task's own units, head and
links are trained on its own data, as a new version. It counts only if it is better on held-out
examples beyond what chance gives.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean

import numpy as np
import torch
from numpy.typing import NDArray

from pathways.data.task import TaskData
from pathways.device import CPU, device_of, own_randomness
from pathways.errors import DataError
from pathways.families import make_body, plain_options
from pathways.frozen import FrozenPathway, StoredPathway, seal
from pathways.ids import PathwayId
from pathways.model import PathwayModel, as_tensor
from pathways.revising.examples import Parts, part
from pathways.revising.measuring import right
from pathways.revising.proof import Paired, compare, needed_gains
from pathways.revising.revised import Course, Report, Revised, percent, silent
from pathways.revising.starts import starts_for
from pathways.spec import Fact, PathwaySpec, Revision, Training
from pathways.training import Progress, TrainConfig, train
from pathways.transfer import Source, Transfer, choose_source

_UNSEEN = 0.25  # of the training part, to choose a start by
_FEW = 2_000  # training examples, up to which one split would leave the choice to chance
_SPLITS = 3


@dataclass(frozen=True, kw_only=True)
class ImproveConfig:
    """How a version is made with the help of a later pathway, and when it counts as better."""

    threshold: float = 0.5
    """Mean probability from which two classes are linked; lower than in learning, as a link that
    does not help is unlearned and the proof decides."""
    held_out_share: float = 0.1
    """Part of the data set aside to decide by, if the version in service was learned without
    setting any aside."""
    significance: float = 0.05
    """A gain counts if chance alone would give one as clear with at most this probability."""
    shots: int | None = None
    """Examples a class to train on; None for all."""
    seed: int = 0
    """Of training; what is held out follows from the seed of the version in service."""
    train: TrainConfig = field(default_factory=TrainConfig)

    def __post_init__(self) -> None:
        if not 0 < self.threshold <= 1:
            raise DataError(f"threshold must lie above 0 and up to 1, got {self.threshold}")
        if not 0 < self.held_out_share < 1:
            raise DataError(f"held_out_share must lie between 0 and 1, got {self.held_out_share}")
        if not 0 < self.significance < 1:
            raise DataError(f"significance must lie between 0 and 1, got {self.significance}")
        if self.shots is not None and self.shots < 1:
            raise DataError(f"shots must be 1 or more, got {self.shots}")


def improve(
    stored: StoredPathway,
    source: StoredPathway | None,
    data: TaskData,
    helpers: Sequence[Source],
    config: ImproveConfig,
    version: int,
    report: Report = silent,
    held_out: TaskData | None = None,
    device: torch.device = CPU,
) -> Revised:
    """Link the most promising of `helpers` to an earlier task and train that task again.

    stored: the version in service; source: the pathway it has links from, if any, which the new
    version gives up. data: examples of the task; held_out: others, or None to set some of `data`
    aside; device: what to compute on, if the family can. Reproducible. Raises DataError if nothing
    could be proven with these data, WeightsError for damaged files.
    """
    started = time.monotonic()
    _check_helpers(stored.spec, helpers)
    parts = part(stored.spec, data, held_out, config.held_out_share, config.shots)
    frozen = FrozenPathway.load(stored, source, device=device)
    before = right(frozen.model, frozen.source_body, parts.held_out)
    _check_provable(stored.spec, before, config.significance)
    there = [helper.to(frozen.device) for helper in helpers]
    transfer = choose_source(parts.train, there, config.threshold)
    if transfer is None:
        return _nothing_alike(stored.spec, helpers, config.threshold)
    attempt = _Attempt(stored.spec.family, frozen.model, transfer, config)
    start, model, last = attempt.best(parts.train, report)
    paired = compare(before, right(model, transfer.source.body, parts.held_out))
    facts = _facts(paired, transfer, len(parts.train), start)
    if paired.p_value() > config.significance:
        return Revised(pathways=(), facts=facts, summary=f"not better: {_told(paired)}")
    training = _training(stored.spec, parts, paired, last, time.monotonic() - started)
    spec = replace(
        stored.spec,
        id=PathwayId(stored.spec.id.task, version),
        source=transfer.source.id,
        adopted=None,
        links=transfer.links,
        training=replace(training, shots=config.shots),
        revision=Revision(kind="improved", of=stored.spec.id, facts=facts),
    )
    better = seal(spec, model, transfer.source.body)
    return Revised(pathways=(better,), facts=facts, summary=f"better: {_told(paired)}")


class _Attempt:
    """Trains versions of one model that read one helper."""

    def __init__(
        self, family: str, model: PathwayModel, transfer: Transfer, config: ImproveConfig
    ) -> None:
        self._family, self._model = family, model
        self._transfer, self._config = transfer, config
        self._starts = starts_for(model, transfer.source)
        self._device = device_of(model)

    def best(self, data: TaskData, report: Report) -> tuple[str, PathwayModel, Progress]:
        """(start, trained model, end of its training): the start that gives the best versions on
        parts of `data` they did not see, then trained on all of `data`."""
        splits = _splits(data, self._config.seed)
        course = Course(report, (len(self._starts) + 1) * len(splits) + 1)
        found: dict[str, list[float]] = {start: [] for start in self._starts}
        for seen, unseen in splits:
            earlier = self._earlier(seen, course)
            for start in self._starts:
                model, _ = self._train(start, earlier, seen, course)
                answers = right(model, self._transfer.source.body, unseen)
                found[start].append(float(answers.mean()))
        chosen = max(found, key=lambda start: fmean(found[start] or [0.0]))
        return chosen, *self._train(chosen, self._model, data, course)

    def _earlier(self, data: TaskData, report: Report) -> PathwayModel:
        """A model like the one in service, which itself has seen what starts are chosen by."""
        options = plain_options(self._model.body.options)
        with own_randomness(self._device):
            torch.manual_seed(self._config.seed)
            body = make_body(self._family, data.signature, options)
            model = PathwayModel(body, len(data.labels)).to(self._device)
            x, y = as_tensor(data.x, self._device), as_tensor(data.y, self._device)
            train(model, x, y, None, self._config.train, report)
        return model

    def _train(
        self, start: str, earlier: PathwayModel, data: TaskData, report: Report
    ) -> tuple[PathwayModel, Progress]:
        x, y = as_tensor(data.x, self._device), as_tensor(data.y, self._device)
        with own_randomness(self._device):
            torch.manual_seed(self._config.seed)
            model = self._starts[start](earlier, self._transfer)
            last = train(model, x, y, self._transfer.source, self._config.train, report)
        return model, last


def _splits(data: TaskData, seed: int) -> list[tuple[TaskData, TaskData]]:
    """Parts of the training data to train on and to choose by; none if a class is too small."""
    rng = np.random.default_rng(seed)
    wanted = [data.split(_UNSEEN, rng) for _ in range(_SPLITS if len(data) <= _FEW else 1)]
    return [(seen, unseen) for seen, unseen in wanted if unseen is not None]


def _check_helpers(spec: PathwaySpec, helpers: Sequence[Source]) -> None:
    if not helpers:
        raise DataError(f"no other task could help {spec.id.task}; learn a similar one first")
    for helper in helpers:
        if helper.id.task == spec.id.task:
            raise DataError(f"{spec.id.task} cannot be improved from itself; name another task")
        if helper.body.signature != spec.signature:
            raise DataError(
                f"{helper.id} reads {helper.body.signature.key} and cannot help {spec.id}, which "
                f"reads {spec.signature.key}; name a task with inputs of one kind"
            )


def _check_provable(spec: PathwaySpec, before: NDArray[np.bool_], significance: float) -> None:
    wrong, needed = int((~before).sum()), needed_gains(significance)
    if wrong < needed:
        raise DataError(
            f"{spec.id} gets {wrong} of {len(before)} held-out examples wrong, and at least "
            f"{needed} put right would prove a gain; give more held-out examples"
        )


def _nothing_alike(spec: PathwaySpec, helpers: Sequence[Source], threshold: float) -> Revised:
    asked = ", ".join(str(helper.id) for helper in helpers)
    return Revised(
        pathways=(),
        facts={"links": 0, "helpers": asked},
        summary=f"not tried: no class of {spec.id} looks like one of {asked} (mean probability "
        f"of at least {threshold:g})",
    )


def _facts(paired: Paired, transfer: Transfer, examples: int, start: str) -> dict[str, Fact]:
    return {
        "helper": str(transfer.source.id),
        "links": len(transfer.links),
        "start": start,
        "training_examples": examples,
        "held_out_examples": paired.examples,
        "accuracy_before": paired.before,
        "accuracy_after": paired.after,
        "gained": paired.gained,
        "lost": paired.lost,
        "p_value": paired.p_value(),
    }


def _training(
    spec: PathwaySpec, parts: Parts, paired: Paired, last: Progress, seconds: float
) -> Training:
    """What is recorded; the seed is that which set the held-out examples aside."""
    return replace(
        spec.training,
        examples=len(parts.train),
        epochs=last.epochs,
        train_accuracy=last.accuracy,
        held_out_accuracy=paired.after,
        held_out_examples=paired.examples,
        held_out_share=parts.share,
        seconds=round(seconds, 3),
    )


def _told(paired: Paired) -> str:
    return (
        f"{percent(paired.before)} → {percent(paired.after)} of {paired.examples:,} held-out "
        f"examples right (p = {paired.p_value():.2g})"
    )
