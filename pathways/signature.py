"""Signatures: what the type of an input alone tells (DESIGN: the first, free routing step)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from pathways.errors import SignatureError

Modality = Literal["image", "audio"]

DEFAULT_RATE_HZ = 8_000
DEFAULT_CLIP_SAMPLES = 8_000  # one second: 97 % of spoken digits are shorter

_KEY = re.compile(r"image-(\d+)x(\d+)x(\d+)|audio-(\d+)hz-(\d+)")


@dataclass(frozen=True, kw_only=True)
class Signature:
    """The shape and meaning of one input array.

    Images are uint8 arrays [height, width, channels]; audio is mono float32 [samples] in
    -1..1 at `rate_hz`.
    """

    modality: Modality
    shape: tuple[int, ...]
    rate_hz: int = 0
    """Samples a second (audio only, else 0)."""

    def __post_init__(self) -> None:
        if self.modality not in get_args(Modality):
            raise SignatureError(
                f"unknown modality {self.modality!r}; known are {', '.join(get_args(Modality))}"
            )
        wanted = 3 if self.modality == "image" else 1
        if len(self.shape) != wanted or min(self.shape) < 1:
            raise SignatureError(
                f"an {self.modality} signature needs {wanted} positive sizes, got {self.shape}"
            )
        if (self.modality == "audio") != (self.rate_hz > 0):
            raise SignatureError(f"rate_hz={self.rate_hz} does not suit modality {self.modality}")

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of input arrays: uint8 for images, float32 for audio."""
        return np.dtype(np.uint8 if self.modality == "image" else np.float32)

    @property
    def key(self) -> str:
        """The signature as an id, for example `image-28x28x1` or `audio-8000hz-8000`."""
        if self.modality == "image":
            return "image-" + "x".join(map(str, self.shape))
        return f"audio-{self.rate_hz}hz-{self.shape[0]}"

    @classmethod
    def parse(cls, key: str) -> Signature:
        """Read back what `key` renders; raises SignatureError."""
        match = _KEY.fullmatch(key)
        if match is None:
            raise SignatureError(f"{key!r} is no signature; one looks like image-28x28x1")
        if key.startswith("image"):
            height, width, channels = map(int, match.groups()[:3])
            return cls(modality="image", shape=(height, width, channels))
        rate_hz, samples = map(int, match.groups()[3:])
        return cls(modality="audio", shape=(samples,), rate_hz=rate_hz)


def image_signature(height: int = 28, width: int = 28, channels: int = 1) -> Signature:
    """An image of uint8 [height, width, channels]."""
    return Signature(modality="image", shape=(height, width, channels))


def audio_signature(
    rate_hz: int = DEFAULT_RATE_HZ, samples: int = DEFAULT_CLIP_SAMPLES
) -> Signature:
    """A mono clip of float32 [samples] at `rate_hz`."""
    return Signature(modality="audio", shape=(samples,), rate_hz=rate_hz)
