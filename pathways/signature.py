"""Signatures: what the type of an input alone tells (DESIGN: the first, free routing step)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from pathways.errors import SignatureError

Modality = Literal["image", "audio", "table", "text"]
MODALITIES: tuple[Modality, ...] = get_args(Modality)

DEFAULT_RATE_HZ = 8_000
DEFAULT_CLIP_SAMPLES = 8_000  # one second: 97 % of spoken digits are shorter

MAX_VOCABULARY = 1 << 20
"""Different token ids at most: a pathway keeps a vector for each."""

MAX_WIDTH = 16_384
"""Columns of a table, or tokens of a text, at most: the router's features grow with them."""

_KEY = re.compile(
    r"image-(?P<height>\d+)x(?P<width>\d+)x(?P<channels>\d+)"
    r"|audio-(?P<rate_hz>\d+)hz-(?P<samples>\d+)"
    r"|table-(?P<features>\d+)"
    r"|text-(?P<tokens>\d+)-of-(?P<vocabulary>\d+)"
)
_DTYPES: dict[Modality, type[np.generic]] = {
    "image": np.uint8,
    "audio": np.float32,
    "table": np.float32,
    "text": np.int32,
}
_PARTS = {"table": "columns", "text": "tokens"}
_NOUNS: dict[Modality, str] = {
    "image": "an image",
    "audio": "a sound",
    "table": "a row of a table",
    "text": "text",
}


@dataclass(frozen=True, kw_only=True)
class Signature:
    """The shape and meaning of one input array.

    Images are uint8 arrays [height, width, channels]; audio is mono float32 [samples] in
    -1..1 at `rate_hz`; a table's row is float32 [features] of any scale; text is int32
    [tokens] of ids below `vocabulary`, of which 0 is padding.
    """

    modality: Modality
    shape: tuple[int, ...]
    rate_hz: int = 0
    """Samples a second (audio only, else 0)."""
    vocabulary: int = 0
    """Token ids there are, padding included (text only, else 0)."""

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
        if self.modality in ("table", "text") and self.shape[0] > MAX_WIDTH:
            raise SignatureError(
                f"{self.noun} has {self.shape[0]} {_PARTS[self.modality]}, the limit is "
                f"{MAX_WIDTH}; leave some out"
            )
        if (self.modality == "audio") != (self.rate_hz > 0):
            raise SignatureError(f"rate_hz={self.rate_hz} does not suit modality {self.modality}")
        fits = 2 <= self.vocabulary <= MAX_VOCABULARY
        if not (fits if self.modality == "text" else self.vocabulary == 0):
            raise SignatureError(
                f"vocabulary={self.vocabulary} does not suit modality {self.modality}; text has "
                f"2 to {MAX_VOCABULARY} token ids, padding included, all else 0"
            )

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of input arrays: uint8 for images, float32 for audio and tables, int32 for text."""
        return np.dtype(_DTYPES[self.modality])

    @property
    def key(self) -> str:
        """The signature as an id, for example `image-28x28x1`, `audio-8000hz-8000`, `table-12`
        or `text-64-of-5000`."""
        match self.modality:
            case "image":
                return "image-" + "x".join(map(str, self.shape))
            case "audio":
                return f"audio-{self.rate_hz}hz-{self.shape[0]}"
            case "table":
                return f"table-{self.shape[0]}"
            case "text":
                return f"text-{self.shape[0]}-of-{self.vocabulary}"

    @property
    def noun(self) -> str:
        """One input in a sentence, for example `an image`."""
        return _NOUNS[self.modality]

    @classmethod
    def parse(cls, key: str) -> Signature:
        """Read back what `key` renders; raises SignatureError."""
        match = _KEY.fullmatch(key)
        if match is None:
            raise SignatureError(f"{key!r} is no signature; one looks like image-28x28x1")
        sizes = {name: int(size) for name, size in match.groupdict().items() if size}
        match key.partition("-")[0]:
            case "image":
                return image_signature(**sizes)
            case "audio":
                return audio_signature(**sizes)
            case "table":
                return table_signature(**sizes)
            case _:
                return text_signature(**sizes)


def image_signature(height: int = 28, width: int = 28, channels: int = 1) -> Signature:
    """An image of uint8 [height, width, channels]."""
    return Signature(modality="image", shape=(height, width, channels))


def audio_signature(
    rate_hz: int = DEFAULT_RATE_HZ, samples: int = DEFAULT_CLIP_SAMPLES
) -> Signature:
    """A mono clip of float32 [samples] at `rate_hz`."""
    return Signature(modality="audio", shape=(samples,), rate_hz=rate_hz)


def table_signature(features: int) -> Signature:
    """A row of float32 [features]."""
    return Signature(modality="table", shape=(features,))


def text_signature(tokens: int, vocabulary: int) -> Signature:
    """Token ids int32 [tokens] in 0..vocabulary-1; 0 is padding."""
    return Signature(modality="text", shape=(tokens,), vocabulary=vocabulary)
