"""Models to fill with stored weights, without drawing fresh ones first."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from pathways.errors import WeightsError
from pathways.families import Body, make_body, options_key
from pathways.model import PathwayModel, freeze
from pathways.outputs import Output
from pathways.signature import Signature
from pathways.spec import PathwaySpec

_Module = TypeVar("_Module", bound=nn.Module)


def empty_model(spec: PathwaySpec) -> PathwayModel:
    """The model of a spec, around weights that are all to be replaced."""
    options, classes = options_key(spec.options), len(spec.labels)
    like = _model_like(
        spec.family, spec.signature, options, classes, spec.source_width, spec.output
    )
    return _without_weights(like)


def empty_body(family: str, signature: Signature, options: Mapping[str, Any]) -> Body:
    """A body, around weights that are all to be replaced; raises FamilyError."""
    return _without_weights(_body_like(family, signature, options_key(options)))


def below(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors whose names begin with `prefix`, named without it."""
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def fill(module: nn.Module, tensors: dict[str, Tensor], spec: PathwaySpec) -> None:
    """Put `tensors` in the place of all weights, in the memory format the family chose.

    They are copied to memory of their own: where a file's bytes begin would else decide which
    kernel runs, and so the last bits of an answer.
    """
    wanted = module.state_dict()
    given = {
        name: torch.empty_like(wanted[name]).copy_(tensor)
        if name in wanted and tensor.shape == wanted[name].shape
        else tensor
        for name, tensor in tensors.items()
    }
    try:
        module.load_state_dict(given, assign=True)
    except RuntimeError as error:
        raise WeightsError(
            f"the weight file of {spec.id} does not fit its spec: {error}"
        ) from error


def _without_weights(like: _Module) -> _Module:
    """A copy with its own modules around the same weights, which are to be replaced.

    Drawing fresh weights only to overwrite them would be most of the cost of waking a pathway.
    """
    return copy.deepcopy(like, {id(t): t for t in (*like.parameters(), *like.buffers())})


@lru_cache(maxsize=64)
def _body_like(family: str, signature: Signature, options: str) -> Body:
    body = make_body(family, signature, json.loads(options))
    freeze(body)
    return body


@lru_cache(maxsize=64)
def _model_like(
    family: str, signature: Signature, options: str, classes: int, lent: int, output: Output
) -> PathwayModel:
    body = make_body(family, signature, json.loads(options))
    model = PathwayModel(body, classes, lent, output)
    freeze(model)
    return model
