"""Fixed features: what the router sees of an input; never trained, so never forgotten.

Which kind is made follows from the signature alone, so that every process and every later
version of the network computes the same ones.
"""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from dispatcher.audio_features import AudioFeatures
from dispatcher.errors import FeatureError
from dispatcher.image_features import ImageFeatures
from dispatcher.novelty import view_dim
from dispatcher.table_features import TableFeatures
from dispatcher.text_features import TextFeatures

DEFAULT_DIM, _SMALL_DIM = 2_000, 512
_SMALL_INPUT = {"image": 256, "audio": 2_000}
"""Pixels or samples up to which an input is small, so that fewer features say what there is to say:
what a router keeps and computes grows with their length, or its square."""


class Features(Protocol):
    """Maps inputs [n, *shape] to float32 [n, dim].

    The first few features (see view_dim) are what the novelty test looks at.
    """

    @property
    def dim(self) -> int:
        """Length of a feature vector."""

    def __call__(self, x: NDArray[np.generic]) -> NDArray[np.float32]:
        """Features of a batch; a row's do not depend on the other rows (up to rounding)."""


def make_features(
    modality: str,
    shape: tuple[int, ...],
    rate_hz: int = 0,
    *,
    seed: int = 0,
    dim: int | None = None,
) -> Features:
    """The features for inputs of one signature; `dim` None: as many as suit its size.

    Images are uint8 [n, height, width, channels], audio is float32 [n, samples] at `rate_hz`,
    tables are float32 [n, columns], text is int32 [n, tokens] of ids, 0 being padding.
    Raises FeatureError for another modality or an impossible shape.
    """
    if dim is None:
        small = math.prod(shape) <= _SMALL_INPUT.get(modality, 0)
        dim = _SMALL_DIM if small else DEFAULT_DIM
    if dim <= view_dim(dim) or not 0 <= seed < 2**31:
        raise FeatureError(
            f"dim={dim} must be above {view_dim(dim)} and seed={seed} within 0..2³¹-1"
        )
    if modality == "image":
        return ImageFeatures(shape, seed=seed, dim=dim)
    if modality == "audio":
        return AudioFeatures(shape, rate_hz, seed=seed, dim=dim)
    if modality == "table":
        return TableFeatures(shape, seed=seed, dim=dim)
    if modality == "text":
        return TextFeatures(shape, seed=seed, dim=dim)
    raise FeatureError(
        f"no features for modality {modality!r}; known are image, audio, table and text"
    )
