"""Random parameters drawn by numpy from a seed: the same on every machine, in every process."""

from __future__ import annotations

import numpy as np
import torch
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
    """Random Fourier features of a Gaussian kernel (Rahimi and Recht 2007).

    Maps unit vectors [n, d] to float32 [n, dim]; the inner product of two results is about
    exp(-bandwidth² · |a - b|² / 2).
    """

    def __init__(self, d: int, dim: int, bandwidth: float, seed: int) -> None:
        random = rng(seed)
        directions = random.standard_normal((d, dim)) * bandwidth
        phases = random.uniform(0.0, 2.0 * np.pi, dim)
        self._directions = torch.from_numpy(directions.astype(np.float32))
        self._phases = torch.from_numpy(phases.astype(np.float32))
        self._scale = float(np.sqrt(2.0 / dim))

    def __call__(self, vectors: Tensor) -> Tensor:
        angles = torch.addmm(self._phases, vectors, self._directions)
        return angles.cos_().mul_(self._scale)
