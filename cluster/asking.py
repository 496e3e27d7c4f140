"""What a user asks to be learned or changed, as the network takes it: data read, roles named."""

from __future__ import annotations

import logging
from pathlib import Path

from cluster.messages import NewTask
from cluster.orders import HELD_OUT, SHARED, Improve, Prune, Share
from cluster.registry import Registry
from pathways import LearnConfig, ModuleMissingError, Signature, TaskData, check_learnable
from pathways.data.load import load_task
from pathways.revising import ImproveConfig, PruneConfig, ShareConfig
from pathways.weights import check_weights, read_weights

logger = logging.getLogger(__name__)

Data = TaskData | str | Path
"""Labelled examples, or a path to them (see `load_task`)."""


Weights = str | Path | bytes
"""A safetensors file, or its content."""


def learning(
    task: str,
    data: Data,
    config: LearnConfig | None = None,
    weights: Weights | None = None,
    target: str | None = None,
) -> NewTask:
    """A new task, checked as far as it can be here; `target`: column of a number to predict.

    Raises DataError, and FamilyError unless family, options, inputs and weights go together. A
    module of a user's own that cannot be imported here is left to the training workers to judge.
    """
    how, read = config or LearnConfig(), _read(data, target=target)
    try:
        check_learnable(how, read.signature, weights=weights is not None, output=read.output)
    except ModuleMissingError as error:
        logger.info("%s", error)
    return NewTask(task=task, data=read, config=how, weights=_brought(weights))


def _brought(weights: Weights | None) -> bytes | None:
    if isinstance(weights, bytes):
        check_weights(weights, "the file of weights")
        return weights
    return None if weights is None else read_weights(weights)


def improving(
    registry: Registry,
    task: str,
    data: Data,
    source: str | None,
    held_out: Data | None,
    how: ImproveConfig | None,
) -> NewTask:
    """A better version of a known task. Raises UnknownTask or DataError."""
    order = Improve(source=source, how=how or ImproveConfig())
    signature = registry.entry(task).spec.signature
    beside = {HELD_OUT: _read(held_out, signature)} if held_out is not None else {}
    return NewTask(task=task, data=_read(data, signature), config=order, beside=beside)


def pruning(
    registry: Registry, task: str, data: Data, held_out: Data | None, how: PruneConfig | None
) -> NewTask:
    """A smaller version of a known task. Raises UnknownTask or DataError."""
    signature = registry.entry(task).spec.signature
    beside = {HELD_OUT: _read(held_out, signature)} if held_out is not None else {}
    order = Prune(how=how or PruneConfig())
    return NewTask(task=task, data=_read(data, signature), config=order, beside=beside)


def sharing(
    registry: Registry,
    task: str,
    data: Data,
    partner: str,
    partner_data: Data,
    config: LearnConfig | None,
    how: ShareConfig | None,
) -> NewTask:
    """A new task that trains units of a known one too. Raises UnknownTask or DataError."""
    order = Share(partner=partner, learn=config or LearnConfig(), how=how or ShareConfig())
    signature = registry.entry(partner).spec.signature
    beside = {SHARED: _read(partner_data, signature)}
    return NewTask(task=task, data=_read(data, signature), config=order, beside=beside)


def _read(data: Data, signature: Signature | None = None, target: str | None = None) -> TaskData:
    if isinstance(data, TaskData):
        return data
    return load_task(data, signature=signature, target=target).data
