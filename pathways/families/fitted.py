"""Families that scikit-learn fits in place of training by gradient.

What was fitted is kept as arrays of our own and computed with torch: scikit-learn is imported to
fit only, never where a pathway is served, and nothing is pickled. Such a body gives evidence for
each class, no hidden units, so it neither lends to later tasks nor reads from earlier ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pathways.families.base import Body
from pathways.families.flat import Flat
from pathways.signature import Signature

Step = Callable[[int, int], None]
"""Is told how much of the work is done, and of how much."""


@dataclass(frozen=True)
class Fit:
    """A fitted body, and the head that turns its evidence into probabilities."""

    body: Body
    weight: Tensor
    """Of the head: float32 [classes, body.width]."""
    bias: Tensor
    """float32 [classes]."""


class FittedBody(Body):
    """A body that is fitted; made from options without fitted sizes it is good for `fit` only."""

    modalities = ("image", "audio", "table")  # a token's id is no quantity
    vectorises = False
    lends = False
    accelerates = False  # too little is computed to be worth the way there
    unit: ClassVar[str]
    """What the steps of fitting are, in the singular."""

    def __init__(self, signature: Signature, options: Any) -> None:
        super().__init__(signature, options)
        self.width = options.classes
        self._flat = Flat(signature)

    def prepare(self, x: Tensor) -> Tensor:
        """Numbers float32 [n, features] of inputs of any fixed shape."""
        flat: Tensor = self._flat(x)
        return flat

    def fit(self, x: Tensor, y: NDArray[np.int64], classes: int, seed: int, step: Step) -> Fit:
        """Fit to raw inputs [n, *shape] and their classes [n]; this body stays as it is."""
        raise TypeError(f"{type(self).__name__} does not say how it is fitted")


def array(*shape: int, dtype: torch.dtype = torch.float32) -> nn.Parameter:
    """A fitted array to be filled, counted as weights and never trained.

    Its memory is not touched, so an empty model that is kept to be copied from takes none.
    """
    return nn.Parameter(torch.empty(shape, dtype=dtype), requires_grad=False)


@torch.no_grad()
def filled(body: Body, **arrays: NDArray[Any]) -> Body:
    """`body` with these values in its arrays."""
    for name, values in arrays.items():
        getattr(body, name).copy_(torch.from_numpy(np.ascontiguousarray(values)))
    return body
