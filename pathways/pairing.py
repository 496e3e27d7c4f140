"""Learning two tasks at once from inputs that were shown together (paper §3.4).

Few inputs have labels; of many more it is known only that an image and a sound show the same. Each
pathway learns from its own labels, and on the pairs from what both said after the epoch before:
the evidence of both together, which is right more often than either (co-training, Blum and
Mitchell 1998). The two need not wait for each other's gradients but only exchange their
predictions once an epoch, as in codistillation (Anil et al. 2018), so that they train side by side
in two processes.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from pathways.concepts import full_names
from pathways.data.paired import PairedData
from pathways.data.task import TaskData
from pathways.device import CPU, own_randomness, random_state, restore_randomness
from pathways.errors import DataError
from pathways.frozen import Inputs, StoredPathway
from pathways.ids import PathwayId
from pathways.learning import LearnConfig, divide, expand, look, stored_pathway
from pathways.model import as_tensor, freeze
from pathways.spec import Training
from pathways.training import Progress, Reading, label_loss, one_cycle
from pathways.transfer import Source, choose_source

Predictions = NDArray[np.float32]
"""[pairs, shared concepts]: one pathway's probabilities on its inputs of the pairs, of the concepts
that both know, each row summing to 1."""


@dataclass(frozen=True, kw_only=True)
class PairConfig:
    """How much two pathways that are learned together learn from each other."""

    agreement: float = 1.0
    """Weight of the loss on the pairs beside that on the labels; 0 turns it off."""
    warm_up: float = 0.2
    """Share of the epochs before what is said of the pairs counts: it must be worth something."""
    sure: float = 0.6
    """Pairs are learned from once their most probable concept has at least this probability."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.agreement < math.inf:
            raise DataError(f"agreement must be 0 or a number above it, got {self.agreement}")
        for name in ("warm_up", "sure"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise DataError(f"{name} must lie in 0..1, got {getattr(self, name)}")


@dataclass(frozen=True, kw_only=True)
class Half:
    """One side of a pair, as it is to be learned."""

    pathway: PathwayId
    data: TaskData
    """Its labelled examples."""
    paired: Inputs
    """Its inputs of the pairs [m, *shape]."""
    shared: tuple[int, ...]
    """Its classes that the other side knows too, in an order that both sides follow."""
    epochs: int
    config: LearnConfig = field(default_factory=LearnConfig)
    pairing: PairConfig = field(default_factory=PairConfig)


def halves(
    ids: tuple[PathwayId, PathwayId],
    data: PairedData,
    configs: tuple[LearnConfig, LearnConfig],
    pairing: PairConfig,
) -> tuple[Half, Half]:
    """Both sides; raises DataError where they should agree and share no concept."""
    tasks = (data.first, data.second)
    names = [
        full_names(task.labels, config.concepts, config.namespace)
        for task, config in zip(tasks, configs, strict=True)
    ]
    common = sorted(set(names[0]) & set(names[1]))
    if len(common) < 2 and pairing.agreement:
        raise DataError(
            f"the two tasks share {len(common)} concepts and have to share two at least to agree "
            "on pairs: name their labels alike, declare concepts, or turn the agreement off"
        )
    epochs = max(config.train.epochs_for(len(data)) for config in configs)
    first, second = (
        Half(
            pathway=id,
            data=task,
            paired=x,
            shared=tuple(named.index(concept) for concept in common),
            epochs=epochs,
            config=config,
            pairing=pairing,
        )
        for id, task, x, named, config in zip(
            ids, tasks, (data.x_first, data.x_second), names, configs, strict=True
        )
    )
    return first, second


@dataclass(frozen=True, kw_only=True)
class Turn:
    """What came of one epoch of one side."""

    progress: Progress
    predictions: Predictions


class Side:
    """One of two pathways that are learned together, an epoch at a time.

    Reproducible: it draws from a random state of its own, whatever runs between its turns.
    """

    def __init__(
        self, half: Half, sources: Sequence[Source] = (), device: torch.device = CPU
    ) -> None:
        """device: what to compute on. Raises DataError or FamilyError."""
        config, self._device = half.config, device
        self._started = time.monotonic()
        self._half = half
        self._examples = divide(half.data, config)
        self._transfer = None
        if config.max_sources:
            there = [source.to(device) for source in sources]
            self._transfer = choose_source(self._examples.train, there, config.threshold)
        source = self._transfer.source if self._transfer else None
        self._y = as_tensor(self._examples.train.y, device)
        self._shared = torch.tensor(half.shared, dtype=torch.long).to(device)
        with own_randomness(device):
            torch.manual_seed(config.seed)
            self._model = expand(half.data, config, self._transfer, device)
            self._random_state = random_state(device)
        labelled = as_tensor(self._examples.train.x, device)
        self._labelled = Reading(self._model, labelled, source, config.train)
        paired, plain = as_tensor(half.paired, device), replace(config.train, augment=False)
        self._paired = Reading(self._model, paired, source, config.train)
        self._asked = Reading(self._model, paired, source, plain)
        steps = (len(self._y), len(half.paired))
        self._steps = max(config.train.steps_for(n) for n in steps)
        self._optimiser, self._schedule = one_cycle(
            self._model.parameters(), config.train, half.epochs * self._steps
        )
        self._predictions: Predictions | None = None
        self._done: Progress | None = None

    @property
    def epochs(self) -> int:
        """Turns to take."""
        return self._half.epochs

    def turn(self, theirs: Predictions | None) -> Turn:
        """Train for an epoch, given what the other side said of the pairs after the last one."""
        epoch = 1 + (self._done.epoch if self._done else 0)
        with self._drawing():
            target = self._target(epoch, theirs)
            self._done = self._train(epoch, target)
            self._predictions = self._predict()
        return Turn(progress=self._done, predictions=self._predictions)

    def _target(self, epoch: int, theirs: Predictions | None) -> Tensor | None:
        """[m, shared] what to learn of the pairs; None if nothing."""
        pairing = self._half.pairing
        warm = epoch > math.ceil(pairing.warm_up * self.epochs)
        if theirs is None or self._predictions is None or not (pairing.agreement and warm):
            return None
        joint = as_tensor(self._predictions * theirs, self._device).clamp_min(1e-12)
        return joint / joint.sum(dim=1, keepdim=True)

    def _train(self, epoch: int, target: Tensor | None) -> Progress:
        size = self._half.config.train.batch_size
        batches = zip(
            _batches(len(self._y), self._steps, size, self._device),
            _batches(len(self._half.paired), self._steps, size, self._device),
            strict=True,
        )
        self._model.train()
        loss_sum = right = torch.zeros((), device=self._device)
        seen = 0
        for labelled, paired in batches:
            logits, own = self._labelled(labelled)
            y = self._y[labelled]
            loss = label_loss(logits, own, y, self._model, self._half.config.train)
            if target is not None:
                loss = loss + self._half.pairing.agreement * self._disagreement(paired, target)
            self._optimiser.zero_grad(set_to_none=True)
            loss.backward()
            self._optimiser.step()
            self._schedule.step()
            loss_sum = loss_sum + loss.detach() * len(y)
            right = right + (logits.detach().argmax(dim=1) == y).sum()
            seen += len(y)
        return Progress(
            epoch=epoch,
            epochs=self.epochs,
            loss=float(loss_sum) / seen,
            accuracy=float(right) / seen,
        )

    def _disagreement(self, rows: Tensor, target: Tensor) -> Tensor:
        """Cross-entropy to what both said, in nats, of the pairs among `rows` that are sure."""
        wanted = target[rows]
        sure = (wanted.amax(dim=1) >= self._half.pairing.sure).float()
        logits, own = self._paired(rows)
        loss = self._soft_loss(logits, wanted)
        if self._model.link is not None:
            weight = self._half.config.train.own_loss_weight
            loss = (1 - weight) * loss + weight * self._soft_loss(own, wanted)
        return (loss * sure).sum() / len(rows)

    def _soft_loss(self, logits: Tensor, wanted: Tensor) -> Tensor:
        """[b] of logits [b, classes] against wanted [b, shared]."""
        return F.cross_entropy(logits[:, self._shared], wanted, reduction="none")

    @torch.no_grad()
    def _predict(self) -> Predictions:
        self._model.eval()
        rows = torch.arange(len(self._half.paired), device=self._device).split(1024)
        logits = torch.cat([self._asked(part)[0][:, self._shared] for part in rows])
        return np.asarray(logits.softmax(dim=1).cpu().numpy())

    @contextmanager
    def _drawing(self) -> Iterator[None]:
        """Torch's global generators are this side's own inside."""
        with own_randomness(self._device):
            restore_randomness(self._random_state, self._device)
            yield
            self._random_state = random_state(self._device)

    def finish(self) -> StoredPathway:
        """Freeze what was learned."""
        half, last = self._half, self._done
        assert last is not None, "a pathway was frozen before it was trained"
        freeze(self._model)
        held_out = self._examples.held_out
        training = Training(
            examples=len(self._y),
            shots=half.config.shots,
            epochs=last.epochs,
            seed=half.config.seed,
            train_accuracy=last.accuracy,
            held_out_accuracy=look(self._model, self._transfer, held_out).accuracy,
            held_out_examples=len(held_out or ()),
            seconds=round(time.monotonic() - self._started, 3),
            held_out_share=half.config.held_out_share,
        )
        return stored_pathway(
            half.pathway, half.data, half.config, self._model, self._transfer, training
        )


def _batches(n: int, steps: int, size: int, device: torch.device) -> tuple[Tensor, ...]:
    """So many batches of rows 0..n-1 in random order, each row as often as any other."""
    size = min(n, size)
    rounds = math.ceil(steps * size / n)
    rows = torch.cat([torch.randperm(n) for _ in range(rounds)]).to(device)
    return tuple(rows[: steps * size].tensor_split(steps))


class Partner(Protocol):
    """The other side, wherever it is."""

    def begin(self, theirs: Predictions | None) -> None:
        """Start its next turn."""

    def end(self) -> Turn:
        """What came of it, once it is over."""

    def finish(self) -> StoredPathway:
        """Its frozen pathway."""


class Beside:
    """The other side in this process, after its partner instead of beside it."""

    def __init__(self, side: Side) -> None:
        self._side = side
        self._given: Predictions | None = None

    def begin(self, theirs: Predictions | None) -> None:
        self._given = theirs

    def end(self) -> Turn:
        return self._side.turn(self._given)

    def finish(self) -> StoredPathway:
        return self._side.finish()


def learn_together(
    side: Side, partner: Partner, report: Callable[[Progress], None] = lambda progress: None
) -> tuple[StoredPathway, StoredPathway]:
    """Learn both sides, each in its own place, and freeze them.

    Reproducible: in two processes as in one, given as many threads.
    """
    mine = theirs = None
    for _ in range(side.epochs):
        partner.begin(mine)
        own = side.turn(theirs)
        other = partner.end()
        mine, theirs = own.predictions, other.predictions
        report(_of_both(own.progress, other.progress))
    return side.finish(), partner.finish()


def _of_both(first: Progress, second: Progress) -> Progress:
    return Progress(
        epoch=first.epoch,
        epochs=first.epochs,
        loss=(first.loss + second.loss) / 2,
        accuracy=(first.accuracy + second.accuracy) / 2,
    )
