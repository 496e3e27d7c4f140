"""What every family of models gives: a body that turns inputs into hidden units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, ClassVar

from torch import Tensor, nn

from pathways.errors import FamilyError
from pathways.families.options import Arguments
from pathways.signature import Modality, Signature


class Body(nn.Module):
    """The part of a pathway below its head.

    A subclass names the modalities it reads and a frozen dataclass `Options` of its sizes, and
    sets `width` (number of hidden units it gives) when it is made.
    """

    modalities: ClassVar[tuple[Modality, ...]]
    """The kinds of input it reads."""
    Options: ClassVar[type[Any]]
    vectorises: ClassVar[bool] = True
    """Whether torch.vmap can run many of them as one."""
    units: ClassVar[str | None] = None
    """The option that is `width`, where hidden units can be left out one by one: each is then
    one place of the first dimension of every weight that makes it."""
    lends: ClassVar[bool] = True
    """Whether it has hidden units that a later task can read over links, and can itself stand
    beside what it reads of an earlier one."""
    accelerates: ClassVar[bool] = True
    """Whether it may compute on a GPU."""
    width: int

    def __init__(self, signature: Signature, options: Any) -> None:
        super().__init__()
        self.signature = signature
        self.options = options

    def calibrate(self, x: Tensor) -> None:
        """Look at the training inputs [n, *signature.shape] before training, once.

        What is set here lies in buffers, so it is in the weight file and frozen with the weights.
        """

    def prepare(self, x: Tensor) -> Tensor:
        """The fixed part, the same for every body of these options, computed once for a whole
        training set.

        x: [n, *signature.shape]; 0..255 for images, -1..1 for audio, of any scale for tables,
        token ids for text.
        """
        raise TypeError(f"{type(self).__name__} does not say how it prepares inputs")

    def forward(self, prepared: Tensor) -> Tensor:
        """Hidden units float32 [n, width] of prepared inputs."""
        raise TypeError(f"{type(self).__name__} does not say how it computes hidden units")

    @classmethod
    def check_start(cls, options: Any, *, given: bool) -> None:
        """Raises FamilyError if a file of weights to start from is given and has no use, or is
        not and is needed."""
        if given:
            raise FamilyError(
                "only a torchvision backbone or a module of your own can start from a file of "
                "weights; leave the file out"
            )

    def begin_from(self, weights: Mapping[str, Tensor]) -> None:
        """Start from weights that a user gives; raises FamilyError if they do not fit."""
        raise TypeError(f"{type(self).__name__} does not say how it starts from weights")


def check_refillable(module: nn.Module, name: str) -> None:
    """Raises FamilyError if weights cannot be put into a module from a plain file of them."""
    try:
        module.load_state_dict(dict(module.state_dict()))
    except Exception as error:
        raise FamilyError(
            f"{name} cannot be filled from a file of weights: {error}; take another"
        ) from error


def plain_options(options: Any) -> dict[str, Any]:
    """Options as plain values for a JSON spec."""
    return options.values() if isinstance(options, Arguments) else asdict(options)
