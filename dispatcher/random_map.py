"""Random parameters drawn by numpy from a seed: the same on every machine, in every process."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor


def rng(seed: int) -> np.random.RandomState:
    """A generator whose stream numpy has frozen for good, unlike `default_rng`'s (NEP 19)."""
    return np.random.RandomState(seed)


class RandomProjection:
    """Maps vectors [n, d] to float32 [n, dim], keeping lengths and angles about as they are."""

    def __init__(self, d: int, dim: int, seed: int) -> None:
        directions = rng(seed).standard_normal((d, dim)) / np.sqrt(dim)
        self._directions = torch.from_numpy(directions.astype(np.float32))

    def __call__(self, vectors: Tensor) -> Tensor:
        return vectors @ self._directions


class RandomFourier:
    """Random Fourier features of a Gaussian kernel (Rahimi and Recht 2007), drawn structured.

    Maps unit vectors [n, d] to float32 [n, dim]; the inner product of two results is about
    exp(-bandwidth² · |a - b|² / 2). The directions are not stored one by one: they are rows of
    Kronecker products of two random orthogonal matrices with random signs (Yu et al. 2016;
    Zhang et al. 2015), so that d·dim multiplications become about 2·dim·√d, and the parameters
    stay in a core's cache. Measured on images, the router is no worse for it.
    """

    def __init__(self, d: int, dim: int, bandwidth: float, seed: int) -> None:
        random = rng(seed)
        self._side = int(np.ceil(np.sqrt(d)))
        size = self._side**2
        self._blocks = [_kronecker(random, self._side) for _ in range(-(-dim // size))]
        # Rows of a Gaussian matrix have such lengths; an orthogonal one's all have length 1.
        lengths = np.sqrt(random.chisquare(d, dim) * size / d)
        self._lengths = torch.from_numpy((lengths * bandwidth).astype(np.float32))
        phases = random.uniform(0.0, 2.0 * np.pi, dim)
        self._phases = torch.from_numpy(phases.astype(np.float32))
        self._scale = float(np.sqrt(2.0 / dim))

    def __call__(self, vectors: Tensor) -> Tensor:
        square = F.pad(vectors, (0, self._side**2 - vectors.shape[1]))
        square = square.view(-1, self._side, self._side)
        parts = [
            (left @ ((square * signs) @ right)).flatten(1) for signs, left, right in self._blocks
        ]
        projected = torch.cat(parts, dim=1)[:, : len(self._lengths)]
        angles = torch.addcmul(self._phases, projected, self._lengths)
        return angles.cos_().mul_(self._scale)


def _kronecker(random: np.random.RandomState, side: int) -> tuple[Tensor, Tensor, Tensor]:
    """Signs [side, side] and two orthogonal matrices [side, side]."""
    signs = random.choice([-1.0, 1.0], (side, side))
    matrices = (signs, _orthogonal(random, side), _orthogonal(random, side))
    given = [torch.from_numpy(matrix.astype(np.float32)) for matrix in matrices]
    return given[0], given[1], given[2]


def _orthogonal(random: np.random.RandomState, side: int) -> NDArray[np.float64]:
    """A random orthogonal matrix, uniform (Mezzadri 2007): the signs make the factors unique."""
    q, r = np.linalg.qr(random.standard_normal((side, side)))
    unique: NDArray[np.float64] = q * np.sign(np.diag(r))
    return unique
