"""Algorithm 1 (§3.2) for one new task, given the earlier pathways worth asking.

Step 2, the dispatcher, is not here: it learns from the same data in `dispatcher/`, and whoever
calls both is `cluster/`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from pathways.concepts import check_concepts, full_names
from pathways.data.task import TaskData
from pathways.errors import DataError
from pathways.families import default_family, make_body, plain_options
from pathways.frozen import StoredPathway, weight_tensors
from pathways.ids import PathwayId
from pathways.model import PathwayModel, as_tensor, freeze, hidden_in_batches, parameter_count
from pathways.spec import PathwaySpec, Training
from pathways.training import Progress, TrainConfig, train
from pathways.transfer import Source, Transfer, choose_source, initialise_links, warm_start
from pathways.weights import pack, sha256


@dataclass(frozen=True, kw_only=True)
class LearnConfig:
    """How one task is learned."""

    family: str | None = None
    """Family of models; None takes the default for the kind of input."""
    options: dict[str, Any] = field(default_factory=dict)
    """Sizes of the family, for example {"hidden": 256}."""
    threshold: float = 0.7
    """Mean probability from which two classes are linked (§3.3)."""
    max_sources: int = 1
    """Earlier tasks to build on: 1 as in the paper (§3.5), 0 for none."""
    shots: int | None = None
    """Examples a class to learn from: None for all, 0 for links only (zero-shot)."""
    held_out_share: float = 0.1
    """Part of the data kept from training to measure accuracy on."""
    seed: int = 0
    warm_start: bool = True
    """Start the hidden layers from the source's where both are of one family and size."""
    train: TrainConfig = field(default_factory=TrainConfig)
    concepts: dict[str, str] = field(default_factory=dict)
    """Label → concept that it stands for, which other tasks share (§3.4); others are their own."""
    namespace: str = ""
    """Tasks of one namespace join where their concepts are equal; empty: the default one."""

    def __post_init__(self) -> None:
        check_concepts(self.concepts, self.namespace)
        if not 0 < self.threshold <= 1:
            raise DataError(f"threshold must lie above 0 and up to 1, got {self.threshold}")
        if self.max_sources not in (0, 1):
            raise DataError(f"max_sources must be 0 or 1, got {self.max_sources}")
        if self.shots is not None and self.shots < 0:
            raise DataError(f"shots must be 0 or more, got {self.shots}")
        if not 0 <= self.held_out_share < 1:
            raise DataError(
                f"held_out_share must be at least 0 and under 1, got {self.held_out_share}"
            )


@dataclass(frozen=True, kw_only=True)
class Examples:
    """A task's data, parted: what is trained on, what links are found with, what is held out."""

    train: TaskData
    held_out: TaskData | None


def divide(data: TaskData, config: LearnConfig) -> Examples:
    """Set the held-out share aside, then take the allowed shots from the rest."""
    rng = np.random.default_rng(config.seed)
    kept, held_out = data.split(config.held_out_share, rng)
    return Examples(
        train=kept.shots(config.shots, rng) if config.shots else kept, held_out=held_out
    )


def learn(
    pathway: PathwayId,
    data: TaskData,
    sources: Sequence[Source],
    config: LearnConfig,
    report: Callable[[Progress], None] = lambda progress: None,
) -> StoredPathway:
    """Learn a new task from its data and at most one of `sources`, and freeze it.

    Reproducible: same data, sources, config and number of threads give the same weights.
    Raises DataError or FamilyError; nothing outside the returned value is changed.
    """
    started = time.monotonic()
    full_names(data.labels, config.concepts, config.namespace)  # refuses before it trains
    examples = divide(data, config)
    transfer = None
    if config.max_sources:
        transfer = choose_source(examples.train, sources, config.threshold)
    source = transfer.source if transfer else None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        model = expand(data, config, transfer)
        last = None
        if config.shots != 0:
            x, y = as_tensor(examples.train.x), as_tensor(examples.train.y)
            last = train(model, x, y, source, config.train, report)
    freeze(model)
    training = Training(
        examples=len(examples.train) if last else 0,
        shots=config.shots,
        epochs=last.epochs if last else 0,
        seed=config.seed,
        train_accuracy=last.accuracy if last else 0.0,
        held_out_accuracy=accuracy_of(model, transfer, examples.held_out),
        held_out_examples=len(examples.held_out or ()),
        seconds=round(time.monotonic() - started, 3),
        held_out_share=config.held_out_share,
    )
    return store(pathway, data, config, model, transfer, training)


def expand(data: TaskData, config: LearnConfig, transfer: Transfer | None) -> PathwayModel:
    """Steps 1 and 3: a new model, with links where a source was found."""
    body = make_body(
        config.family or default_family(data.signature), data.signature, config.options
    )
    model = PathwayModel(body, len(data.labels), transfer.source.body.width if transfer else 0)
    if transfer:
        initialise_links(model, transfer)
        if config.warm_start:
            warm_start(model, transfer.source)
    return model


@torch.inference_mode()
def accuracy_of(
    model: PathwayModel, transfer: Transfer | None, data: TaskData | None
) -> float | None:
    """Share of examples that are right, 0..1; None of no data."""
    if data is None:
        return None
    x = as_tensor(data.x)
    own = model.head(hidden_in_batches(model.body, model.body.prepare(x)))
    logits = model.combine(own, transfer.source.hidden(x) if transfer else None)
    return float((logits.argmax(dim=1).numpy() == data.y).mean())


def store(
    pathway: PathwayId,
    data: TaskData,
    config: LearnConfig,
    model: PathwayModel,
    transfer: Transfer | None,
    training: Training,
) -> StoredPathway:
    """Step 6: the frozen pathway as bytes and their description."""
    source = transfer.source if transfer else None
    weights = pack(weight_tensors(model, source.body if source else None, data.signature))
    spec = PathwaySpec(
        id=pathway,
        signature=data.signature,
        labels=data.labels,
        family=config.family or default_family(data.signature),
        options=plain_options(model.body.options),
        source=source.id if source else None,
        source_width=source.body.width if source else 0,
        links=transfer.links if transfer else (),
        parameters=parameter_count(model),
        active_parameters=parameter_count(model) + (parameter_count(source.body) if source else 0),
        weights_sha256=sha256(weights),
        training=training,
        concepts=full_names(data.labels, config.concepts, config.namespace),
        namespace=config.namespace,
    )
    return StoredPathway(spec=spec, weights=weights)
