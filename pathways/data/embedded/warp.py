"""Smooth random displacements, for paths and for whole images."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates


def ripples(
    points: NDArray[np.float32], waves: int, pace: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """A smooth random displacement at `points` [n, p, 2], of about unit size: [n, p, 2].

    Each of the n fields is a sum of `waves` plane waves whose wave vectors are normal with
    `pace` radians a unit, so it bends shapes as a whole and never tears them.
    """
    n = len(points)
    vectors = rng.normal(0.0, pace, (n, 2, waves)).astype(np.float32)
    phase = rng.uniform(0.0, 2 * np.pi, (n, 1, waves)).astype(np.float32)
    height = rng.normal(0.0, np.sqrt(2.0 / waves), (n, waves, 2)).astype(np.float32)
    return np.asarray(np.sin(points @ vectors + phase) @ height, np.float32)


def bend(
    images: NDArray[np.float32], amount_px: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Warp images [n, h, w] by smooth fields of about `amount_px`: [n, h, w]."""
    n, height, width = images.shape
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    unit = np.stack([rows / height, columns / width], axis=-1).reshape(1, -1, 2) * 2 - 1
    shift = ripples(np.repeat(unit, n, axis=0), 4, 2.0, rng).reshape(n, height, width, 2)
    amount = amount_px * rng.uniform(0.3, 1.5, (n, 1, 1, 1)).astype(np.float32)
    moved = np.stack([rows, columns], axis=-1)[None] + shift * amount
    index = np.broadcast_to(np.arange(n, dtype=np.float32)[:, None, None], (n, height, width))
    where = np.stack([index, moved[..., 0], moved[..., 1]])
    return np.asarray(map_coordinates(images, where, order=1), np.float32)
