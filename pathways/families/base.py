"""What every family of models gives: a body that turns inputs into hidden units."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any, ClassVar

from torch import Tensor, nn

from pathways.errors import FamilyError
from pathways.signature import Modality, Signature


class Body(nn.Module):
    """The part of a pathway below its head.

    A subclass names the modalities it reads and a frozen dataclass `Options` of its sizes, and
    sets `width` (number of hidden units it gives) when it is made.
    """

    modalities: ClassVar[tuple[Modality, ...]]
    Options: ClassVar[type[Any]]
    vectorises: ClassVar[bool] = True
    """Whether torch.vmap can run many of them as one."""
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


def read_options(family: str, options_type: type[Any], values: dict[str, Any]) -> Any:
    """A family's options from plain values; unknown or wrong ones raise FamilyError."""
    known = {f.name: f for f in fields(options_type)}
    for name, value in values.items():
        if name not in known:
            raise FamilyError(
                f"family {family} has no option {name!r}; its options are {', '.join(known)}"
            )
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise FamilyError(f"option {name} of family {family} must be 1 or more, got {value!r}")
    return options_type(**values)


def plain_options(options: Any) -> dict[str, Any]:
    """Options as plain values for a JSON spec."""
    return asdict(options)
