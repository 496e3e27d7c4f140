"""Random changes of training images and sounds that keep their class."""

from __future__ import annotations

from torch import Tensor

from pathways.augmentation.images import vary as vary_images
from pathways.augmentation.sounds import vary as vary_sounds
from pathways.errors import DataError
from pathways.signature import Signature

__all__ = ["varies", "vary"]


def varies(signature: Signature) -> bool:
    """Whether inputs can be changed so that they keep their class: images and sounds can."""
    return signature.modality in ("image", "audio")


def vary(x: Tensor, signature: Signature) -> Tensor:
    """Changed copies, float32 [n, *signature.shape], of raw inputs of the same shape.

    Every input is changed in its own way. Draws from torch's global generator. Raises DataError for
    tables and text, of which no change is known to keep the class.
    """
    if signature.modality == "image":
        return vary_images(x)
    if signature.modality == "audio":
        return vary_sounds(x, signature.rate_hz)
    raise DataError(
        f"inputs of {signature.key} cannot be changed at random without perhaps changing their "
        "class; learn the task without augment"
    )
