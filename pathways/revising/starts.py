"""Ways to start a version that reads a helper: which one is best is measured, task by task."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping

import torch
from torch import nn

from pathways.device import device_of
from pathways.model import PathwayModel
from pathways.transfer import Source, Transfer, initialise_links, warm_start

Start = Callable[[PathwayModel, Transfer], PathwayModel]
"""(model in service, chosen helper with its links) → a model that reads the helper, to train."""


def _link_from_zero(model: PathwayModel, transfer: Transfer) -> PathwayModel:
    """Says what the version in service says without its former link."""
    started = _beside(model, transfer)
    assert started.link is not None
    nn.init.zeros_(started.link.weight)
    started.head.load_state_dict(model.head.state_dict())
    return started


@torch.no_grad()
def _link_from_rows(model: PathwayModel, transfer: Transfer) -> PathwayModel:
    """Says what the version in service and the links say, added up."""
    started = _beside(model, transfer)
    initialise_links(started, transfer)
    started.head.weight.add_(model.head.weight)
    started.head.bias.add_(model.head.bias)
    return started


def _links_alone(model: PathwayModel, transfer: Transfer) -> PathwayModel:
    """Says what the links say; of the version in service the hidden units stay."""
    started = _beside(model, transfer)
    initialise_links(started, transfer)
    return started


def _as_the_helper(model: PathwayModel, transfer: Transfer) -> PathwayModel:
    """Says what the links say, and its hidden units start from the helper's, as in learning."""
    started = _links_alone(model, transfer)
    warm_start(started, transfer.source)
    return started


def starts_for(model: PathwayModel, helper: Source) -> Mapping[str, Start]:
    """The ways that this model and helper allow, by name; first what mostly is best."""
    alike = type(model.body) is type(helper.body) and model.body.options == helper.body.options
    ways: dict[str, Start] = {"as the helper": _as_the_helper} if alike else {}
    return {
        **ways,
        "links alone": _links_alone,
        "link from rows": _link_from_rows,
        "link from zero": _link_from_zero,
    }


def _beside(model: PathwayModel, transfer: Transfer) -> PathwayModel:
    """The model's hidden units, with a fresh head and a link to the helper's."""
    body = copy.deepcopy(model.body).requires_grad_(True)
    started = PathwayModel(body, model.head.out_features, transfer.source.body.width)
    return started.to(device_of(body))
