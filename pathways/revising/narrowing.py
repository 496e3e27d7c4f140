"""Leaving hidden units of a model out."""

from __future__ import annotations

import torch
from torch import Tensor

from pathways.device import device_of
from pathways.errors import FamilyError
from pathways.families import Body, make_body, plain_options
from pathways.model import PathwayModel, hidden_in_batches


def units_option(family: str, body: Body, what: str) -> str:
    """The option that says how many hidden units the body has; raises FamilyError if units of
    this family cannot be left out. what: what was to be done, for the message."""
    if body.units is None:
        raise FamilyError(
            f"{what}, because units of family {family} cannot be left out one by one; "
            "use a family with one hidden layer below its head, such as mlp, cnn or melcnn"
        )
    return body.units


class Narrowing:
    """A model with fewer hidden units: those that say most are kept."""

    def __init__(self, family: str, model: PathwayModel, x: Tensor) -> None:
        """x: raw inputs [n, *shape] to see by how much units say. Raises FamilyError."""
        self._family, self._model = family, model
        self._option = units_option(family, model.body, "it cannot be pruned")
        hidden = hidden_in_batches(model.body, model.body.prepare(x))
        self._mean = hidden.mean(dim=0)
        # What a unit says to the head, less what a constant could say in its place.
        said = hidden.std(dim=0) * model.head.weight.norm(dim=0)
        self._by_use = said.argsort(descending=True)

    def to(self, width: int) -> PathwayModel:
        """A model [width] of its own weights; what left units said on average is in its bias."""
        model = self._model
        kept, gone = self._by_use[:width].sort().values, self._by_use[width:]
        lent = model.link.in_features if model.link else 0
        narrow = PathwayModel(self._body(kept), model.head.out_features, lent).to(kept.device)
        with torch.no_grad():
            narrow.head.weight.copy_(model.head.weight[:, kept])
            said = model.head.weight[:, gone] @ self._mean[gone]
            narrow.head.bias.copy_(model.head.bias + said)
            if narrow.link is not None and model.link is not None:
                narrow.link.weight.copy_(model.link.weight)
        return narrow

    def _body(self, kept: Tensor) -> Body:
        body = self._model.body
        assert len(kept) < body.width, "nothing to leave out"
        options = {**plain_options(body.options), self._option: len(kept)}
        narrow = make_body(self._family, body.signature, options).to(device_of(body))
        wanted = narrow.state_dict()
        narrow.load_state_dict(
            {
                name: tensor if tensor.shape == wanted[name].shape else tensor[kept]
                for name, tensor in body.state_dict().items()
            }
        )
        return narrow
