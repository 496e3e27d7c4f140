"""Random changes of training inputs that keep their class."""

from __future__ import annotations

from torch import Tensor

from pathways.augmentation.images import vary as vary_images
from pathways.augmentation.sounds import vary as vary_sounds
from pathways.signature import Signature

__all__ = ["vary"]


def vary(x: Tensor, signature: Signature) -> Tensor:
    """Changed copies, float32 [n, *signature.shape], of raw inputs of the same shape.

    Every input is changed in its own way. Draws from torch's global generator.
    """
    if signature.modality == "image":
        return vary_images(x)
    return vary_sounds(x, signature.rate_hz)
