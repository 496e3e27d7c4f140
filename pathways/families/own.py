"""A user's own `nn.Module` as a body, found by import path.

The contract: `Class(**arguments)` is a module whose forward takes float32 inputs (images
[n, channels, height, width] of 0..1, sounds [n, samples] of -1..1, others [n, *shape]) and gives
hidden units float32 [n, width]. The head is ours. In evaluation mode equal inputs give equal
units.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn

from pathways.errors import FamilyError, ModuleMissingError
from pathways.families.base import Body, check_refillable
from pathways.families.failures import failures_of
from pathways.families.options import Arguments
from pathways.signature import MODALITIES, Signature
from pathways.weights import fitting_weights

_ROWS = 2  # normalisation over a batch needs more than one


_LARGEST = {"image": 255, "text": 1}  # of an input; ids of 0 are in every vocabulary


class OwnBody(Body):
    """Wraps a module of a user's own; raises FamilyError where it breaks the contract."""

    modalities = MODALITIES
    vectorises = False  # vmap cannot run every module, and asks for functions without state

    def __init__(self, signature: Signature, options: Arguments) -> None:
        super().__init__(signature, options)
        self.family = options.target
        with failures_of(self.family):
            self.module = find_module(self.family)(**options.values())
        if not isinstance(self.module, nn.Module):
            raise FamilyError(
                f"{self.family} made a {type(self.module).__name__}; it must be a class of "
                "torch.nn.Module"
            )
        self.width = self._look()

    def prepare(self, x: Tensor) -> Tensor:
        if self.signature.modality == "image":
            return x.permute(0, 3, 1, 2).float() / 255
        return x.long() if self.signature.modality == "text" else x.float()

    def forward(self, prepared: Tensor) -> Tensor:
        with failures_of(self.family):
            hidden: Tensor = self.module(prepared)
        self._check(hidden, len(prepared), self.width)
        return hidden.float()

    @classmethod
    def check_start(cls, options: Arguments, *, given: bool) -> None:
        """A file of weights may be given."""

    def begin_from(self, weights: Mapping[str, Tensor]) -> None:
        wanted = self.module.state_dict()
        self.module.load_state_dict(fitting_weights(weights, wanted, self.family))

    @torch.no_grad()
    def _look(self) -> int:
        """The width of its hidden units, found by running it once (twice, to see that nothing in
        it is left to chance)."""
        self.eval()
        # Noise, since a module may divide by what does not vary in zeros; of no global generator.
        noise = torch.rand(_ROWS, *self.signature.shape, generator=torch.Generator())
        x = self.prepare(noise * _LARGEST.get(self.signature.modality, 1))
        with failures_of(self.family):
            first, second = self.module(x), self.module(x)
        width = self._check(first, _ROWS, None)
        if not torch.equal(first, second):
            raise FamilyError(
                f"{self.family} gives other hidden units for the same input the second time; leave "
                "randomness to training (`if self.training`), and let nothing be NaN"
            )
        check_refillable(self.module, self.family)
        self.train()
        return width

    def _check(self, hidden: Any, rows: int, width: int | None) -> int:
        """Returns the width of hidden units that keep the contract."""
        seen = type(hidden).__name__
        if isinstance(hidden, Tensor):
            seen = f"{hidden.dtype} {list(hidden.shape)}".removeprefix("torch.")
            fits = hidden.ndim == 2 and len(hidden) == rows and hidden.is_floating_point()
            if fits and hidden.shape[1] == (width or hidden.shape[1]) > 0:
                return int(hidden.shape[1])
        raise FamilyError(
            f"{self.family} gave {seen} for {rows} inputs of {self.signature.key}; its forward "
            f"must give hidden units float32 [{rows}, {width or 'width'}]"
        )


def find_module(family: str) -> type[nn.Module]:
    """The class at `package.module:Class`; raises FamilyError if it cannot be imported."""
    place, _, name = family.partition(":")
    try:
        with failures_of(family):
            found = getattr(import_module(place), name, None)
    except FamilyError as error:
        raise ModuleMissingError(
            f"{family} cannot be imported here: {error}; install its package on every node, or put "
            "it on PYTHONPATH there before `sen up`"
        ) from error
    if not (isinstance(found, type) and issubclass(found, nn.Module)):
        seen = "nothing" if found is None else repr(found)
        raise FamilyError(f"{family} names {seen}; it must name a class of torch.nn.Module")
    return found


def read_arguments(family: str, values: Mapping[str, Any]) -> Arguments:
    """Keyword arguments as they are recorded; raises FamilyError if the class does not take them
    or JSON cannot hold them."""
    try:
        text = json.dumps(values, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise FamilyError(
            f"the arguments of {family} must be plain values that JSON can hold: {error}"
        ) from error
    made = find_module(family)
    try:
        inspect.signature(made).bind(**json.loads(text))
    except TypeError as error:
        takes = ", ".join(inspect.signature(made).parameters) or "none"
        raise FamilyError(f"{family} {error}; its arguments are {takes}") from error
    return Arguments(target=family, text=text)
