"""Algorithm 1 (§3.2) for one new task, given the earlier pathways worth asking.

Step 2, the dispatcher, is not here: it learns from the same data in `dispatcher/`, and whoever
calls both is `cluster/`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pathways.concepts import check_concepts, full_names
from pathways.data.task import TaskData
from pathways.device import CPU, device_of, on_device, own_randomness
from pathways.errors import DataError, FamilyError
from pathways.families import (
    Body,
    check_family,
    default_family,
    is_own,
    make_body,
    plain_options,
)
from pathways.families.failures import failures_of
from pathways.families.fitted import FittedBody
from pathways.fitting import check_fitting, fit
from pathways.frozen import FrozenPathway, StoredPathway, weight_tensors
from pathways.held_out import Measured, measure, settle
from pathways.ids import PathwayId
from pathways.model import PathwayModel, as_tensor, freeze, parameter_count
from pathways.outputs import Number, Output
from pathways.signature import Signature
from pathways.spec import PathwaySpec, Training
from pathways.training import Progress, TrainConfig, train
from pathways.transfer import (
    Source,
    Transfer,
    best_lender,
    initialise_links,
    rank_sources,
    warm_start,
    why_unlinked,
)
from pathways.weights import pack, sha256


@dataclass(frozen=True, kw_only=True)
class LearnConfig:
    """How one task is learned."""

    family: str | None = None
    """Family of models, or a module of your own as `package.module:Class`; None takes the default
    for the kind of input."""
    options: dict[str, Any] = field(default_factory=dict)
    """Options of the family, for example {"hidden": 256}; of a module of your own its arguments."""
    threshold: float = 0.7
    """Mean probability from which two classes are linked (§3.3)."""
    max_sources: int = 1
    """Earlier tasks to build on: 1 as in the paper (§3.5), 0 for none. A task whose target is a
    number has no classes to link, so it builds on none."""
    shots: int | None = None
    """Examples a class to learn from: None for all, 0 for links only (zero-shot). Of numbers:
    examples of each tenth of their range."""
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


def check_learnable(
    config: LearnConfig, signature: Signature, *, weights: bool, output: Output = "classes"
) -> type[Body]:
    """The kind of body that a task of this signature would get, from a file of weights or not.

    Raises DataError for links alone to a task whose target is a number, and FamilyError if the
    settings do not go together, as far as that can be told without data: ModuleMissingError if a
    module of a user's own cannot be imported in this process.
    """
    family = config.family or default_family(signature)
    body_type, options = check_family(family, signature, config.options)
    body_type.check_start(options, given=weights)
    if issubclass(body_type, FittedBody):
        check_fitting(config, output)
    if output == "number" and config.shots == 0:
        raise DataError(
            "shots is 0, but the target is a number: there are no classes to link, so nothing to "
            "answer from; give shots 1 or more"
        )
    return body_type


def learn(
    pathway: PathwayId,
    data: TaskData,
    sources: Sequence[Source],
    config: LearnConfig,
    report: Callable[[Progress], None] = lambda progress: None,
    initial: Mapping[str, Tensor] | None = None,
    device: torch.device = CPU,
) -> StoredPathway:
    """Learn a new task from its data and at most one of `sources`, and freeze it.

    initial: weights that a torchvision backbone or a module of a user's own starts from.
    device: what to compute on, if the family can.
    Reproducible: same data, sources, config, device and number of threads give the same weights.
    Raises DataError or FamilyError; nothing outside the returned value is changed.
    """
    with failures_of(config.family or default_family(data.signature)):
        return _learn(pathway, data, sources, config, report, initial, device)


def _learn(
    pathway: PathwayId,
    data: TaskData,
    sources: Sequence[Source],
    config: LearnConfig,
    report: Callable[[Progress], None],
    initial: Mapping[str, Tensor] | None,
    device: torch.device,
) -> StoredPathway:
    started = time.monotonic()
    family = config.family or default_family(data.signature)
    body_type = check_learnable(
        config, data.signature, weights=initial is not None, output=data.output
    )
    full_names(data.labels, config.concepts, config.namespace)  # refuses before it trains
    examples = divide(data, config)
    linkable = config.max_sources and data.output == "classes"
    there = [source.to(device) for source in sources] if linkable else []
    ranked = rank_sources(examples.train, there, config.threshold)
    transfer = best_lender(ranked) if body_type.lends else None
    with own_randomness(device):
        torch.manual_seed(config.seed)
        model, last = _made(examples.train, transfer, config, report, initial, device)
    freeze(model)
    remark = None
    if ranked and transfer is None:
        remark = why_unlinked(ranked[0], data.labels, family, reads=body_type.lends)
    found = look(model, transfer, examples.held_out)
    training = Training(
        examples=len(examples.train) if last else 0,
        shots=config.shots,
        epochs=last.epochs if last and body_type.lends else 0,
        seed=config.seed,
        train_accuracy=last.accuracy if last else 0.0,
        held_out_accuracy=found.accuracy,
        held_out_examples=len(examples.held_out or ()),
        seconds=round(time.monotonic() - started, 3),
        held_out_share=config.held_out_share,
        remark=remark,
        held_out_r2=found.r2,
        held_out_rmse=found.rmse,
        held_out_coverage=found.coverage,
    )
    stored = stored_pathway(pathway, data, config, model, transfer, training)
    if is_own(family):
        _check_restored(stored, transfer)
    return stored


def _wanted(data: TaskData) -> NDArray[np.int64] | NDArray[np.float32]:
    return data.y if data.values is None else data.values


def _made(
    data: TaskData,
    transfer: Transfer | None,
    config: LearnConfig,
    report: Callable[[Progress], None],
    initial: Mapping[str, Tensor] | None,
    device: torch.device,
) -> tuple[PathwayModel, Progress | None]:
    """Steps 1 to 5: a model of the task, trained or fitted, and how far that came."""
    family = config.family or default_family(data.signature)
    body = make_body(family, data.signature, config.options)
    if initial is not None:
        body.begin_from(initial)
    if isinstance(body, FittedBody):
        return fit(body, data, config, report)
    warm = config.warm_start and initial is None
    model = _expand(body.to(device), data, transfer, warm=warm)
    return model, _train(model, data, transfer, config, report)


def _check_restored(stored: StoredPathway, transfer: Transfer | None) -> None:
    """A module of a user's own may hold what is not in its weight file: raises FamilyError."""
    lent = on_device(transfer.source.body, CPU) if transfer else None
    loaded = FrozenPathway.load(stored, lent)
    if not loaded.verify().identical:
        raise FamilyError(
            f"{stored.spec.family} gives other answers once it is stored and loaded: whatever it "
            "computes with must be a parameter or a buffer"
        )


def expand(
    data: TaskData, config: LearnConfig, transfer: Transfer | None, device: torch.device = CPU
) -> PathwayModel:
    """Steps 1 and 3 for a model that is trained epoch by epoch; raises FamilyError for others."""
    family = config.family or default_family(data.signature)
    body = make_body(family, data.signature, config.options)
    if isinstance(body, FittedBody):
        raise FamilyError(
            f"family {family} is fitted at once and cannot learn beside another task, epoch by "
            "epoch; take another family"
        )
    return _expand(body.to(device), data, transfer, warm=config.warm_start)


def _expand(body: Body, data: TaskData, transfer: Transfer | None, *, warm: bool) -> PathwayModel:
    """Steps 1 and 3: a new model where the body is, with links where a source was found."""
    lent = transfer.source.body.width if transfer else 0
    device = device_of(body)
    model = PathwayModel(body, len(data.labels), lent, data.output).to(device)
    if transfer:
        initialise_links(model, transfer)
        if warm:
            warm_start(model, transfer.source)
    model.body.calibrate(as_tensor(data.x, device))
    if isinstance(model.output, Number) and data.values is not None:
        model.output.measure(as_tensor(data.values, device))
    return model


def _train(
    model: PathwayModel,
    data: TaskData,
    transfer: Transfer | None,
    config: LearnConfig,
    report: Callable[[Progress], None],
) -> Progress | None:
    """Step 5; None if there is nothing to learn from but links."""
    if config.shots == 0:
        return None
    source, device = transfer.source if transfer else None, device_of(model)
    x, wanted = as_tensor(data.x, device), as_tensor(_wanted(data), device)
    last = train(model, x, wanted, source, config.train, report)
    if not math.isfinite(last.loss):
        raise FamilyError(
            f"training {config.family or default_family(data.signature)} came to a loss of "
            f"{last.loss}; lower the learning rate"
        )
    return last


def look(model: PathwayModel, transfer: Transfer | None, data: TaskData | None) -> Measured:
    """How good a model is on what was set aside; a number's uncertainty is settled by it too."""
    if data is None:
        return Measured()
    source = transfer.source if transfer else None
    if isinstance(model.output, Number):
        settle(model, data)
    return measure(model, source, data)


def stored_pathway(
    pathway: PathwayId,
    data: TaskData,
    config: LearnConfig,
    model: PathwayModel,
    transfer: Transfer | None,
    training: Training,
) -> StoredPathway:
    """Step 6: the frozen pathway as bytes and their description.

    model: made as `config` says, or with other sizes; `transfer` names what its links read.
    """
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
        output=data.output,
        concepts=full_names(data.labels, config.concepts, config.namespace),
        namespace=config.namespace,
    )
    return StoredPathway(spec=spec, weights=weights)
