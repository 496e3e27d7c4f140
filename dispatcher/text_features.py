"""Features of token sequences: a random vector for each id, averaged; then a random kernel map.

The vectors are signs from a hash of the id, so no matrix over the vocabulary is kept, whatever its
size. How often an id occurs counts by its square root, so that the few words which are everywhere
do not drown the others. The order of tokens is not seen.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from dispatcher.errors import FeatureError
from dispatcher.novelty import view_dim
from dispatcher.random_map import RandomFourier, rng

_WORDS = 16
_WIDTH = 64 * _WORDS
"""Signs in a token's vector."""

_BANDWIDTH = 0.7
_CHUNK_TOKENS = 2_048
"""Tokens at a time, about: bounds the memory of their vectors to some megabytes."""

_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MIX = (
    (np.uint64(30), np.uint64(0xBF58476D1CE4E5B9)),
    (np.uint64(27), np.uint64(0x94D049BB133111EB)),
)
_PADDING = 0


class TextFeatures:
    """Features of int32 token ids [n, tokens]."""

    def __init__(self, shape: tuple[int, ...], *, seed: int, dim: int) -> None:
        if len(shape) != 1 or shape[0] < 1:
            raise FeatureError(f"a text has one size, its tokens, got {shape}")
        self._shape = shape
        self._dim = dim
        self._viewed = view_dim(dim)
        self._keys = rng(seed).randint(0, 2**63, _WORDS, dtype=np.uint64)
        self._map = RandomFourier(_WIDTH, dim - self._viewed, _BANDWIDTH, seed + 1)

    @property
    def dim(self) -> int:
        """Length of a feature vector."""
        return self._dim

    @torch.inference_mode()
    def __call__(self, x: NDArray[np.generic]) -> NDArray[np.float32]:
        """Features [n, dim] of a batch; raises FeatureError if it is of another shape."""
        if x.shape[1:] != self._shape or x.dtype != np.int32:
            raise FeatureError(
                f"expected int32 token ids [n, {self._shape[0]}], got {x.dtype} {x.shape}"
            )
        out = np.empty((len(x), self._dim), dtype=np.float32)
        chunk = max(1, _CHUNK_TOKENS // self._shape[0])
        for start in range(0, len(x), chunk):
            bags = self._bags(x[start : start + chunk].astype(np.int64))
            # The signs are random directions already: the first of them are a projection.
            parts = [bags[:, : self._viewed], self._map(bags)]
            out[start : start + chunk] = torch.cat(parts, dim=1).numpy()
        return out

    def _bags(self, x: NDArray[np.int64]) -> Tensor:
        """Unit vectors [n, _WIDTH]; 0 where there is nothing but padding."""
        ids, where = np.unique(x, return_inverse=True)
        counts = np.zeros((len(x), len(ids)), np.float32)
        np.add.at(counts, (np.arange(len(x))[:, None], where.reshape(x.shape)), 1.0)
        counts[:, ids == _PADDING] = 0.0
        weights = torch.from_numpy(counts).sqrt_()
        return F.normalize(weights @ torch.from_numpy(self._signs(ids)), dim=1)

    def _signs(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """-1 or 1 float32 [ids, _WIDTH], by SplitMix64 (Steele et al. 2014) of id and seed."""
        mixed = ids.astype(np.uint64)[:, None] * _GAMMA + self._keys
        for shift, factor in _MIX:
            mixed = (mixed ^ (mixed >> shift)) * factor
        mixed ^= mixed >> np.uint64(31)
        bits = np.unpackbits(mixed.astype("<u8").view(np.uint8), axis=1)
        return bits.astype(np.float32) * 2.0 - 1.0
