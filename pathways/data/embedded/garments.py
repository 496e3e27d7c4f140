"""Ten classes of garments in the manner of Fashion-MNIST: drawn, woven, lit and bent."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from pathways.data.embedded.canvas import SIDE, Patch, drawn
from pathways.data.embedded.goods import ankle_boot, bag, sandal, sneaker, trouser
from pathways.data.embedded.tops import coat, dress, pullover, shirt, t_shirt
from pathways.data.embedded.warp import bend, ripples

GARMENTS: dict[str, Callable[[np.random.Generator], list[Patch]]] = {
    "T-shirt/top": t_shirt,
    "Trouser": trouser,
    "Pullover": pullover,
    "Dress": dress,
    "Coat": coat,
    "Sandal": sandal,
    "Shirt": shirt,
    "Sneaker": sneaker,
    "Bag": bag,
    "Ankle boot": ankle_boot,
}
"""How each class is drawn, in Fashion-MNIST's order of labels."""

_PATTERNED = {"T-shirt/top": 0.3, "Pullover": 0.35, "Dress": 0.35, "Coat": 0.15, "Shirt": 0.5}
_SELDOM = 0.08  # the share of the other classes that has a pattern


def garment_images(per_class: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """`per_class` images of each garment in turn: uint8 [n, 28, 28, 1], light on black."""
    images = [_one_class(name, per_class, rng) for name in GARMENTS]
    return np.concatenate(images)[..., None]


def _one_class(name: str, n: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    draw = GARMENTS[name]
    flat = np.stack([drawn(draw(rng), rng.uniform(0.86, 0.99)) for _ in range(n)])
    cloth = bend(flat, 0.6, rng) * _pattern(n, _PATTERNED.get(name, _SELDOM), rng)
    lit = cloth * _folds(n, rng) * rng.beta(3.2, 1.4, (n, 1, 1)) * 1.25
    grain = rng.normal(0.0, 1.0, lit.shape) * rng.exponential(0.018, (n, 1, 1)) * (flat > 0.05)
    return np.asarray((np.clip(lit + grain, 0.0, 1.0) * 255.0).round(), np.uint8)


def _pattern(n: int, share: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Stripes, checks or waves as a factor on the cloth, 1 where plain: [n, 28, 28]."""
    rows, columns = np.mgrid[:SIDE, :SIDE].astype(np.float32)
    pace = 2 * np.pi / rng.uniform(2.5, 8.0, (2, n, 1, 1))
    phase = rng.uniform(0.0, 2 * np.pi, (2, n, 1, 1))
    across, along = np.sin(rows * pace[0] + phase[0]), np.sin(columns * pace[1] + phase[1])
    kind = rng.integers(0, 4, (n, 1, 1))
    wave = np.choose(kind, [across, along, (across + along) / 1.4, across * along])
    depth = rng.uniform(0.1, 0.45, (n, 1, 1)) * (rng.random((n, 1, 1)) < share)
    return np.asarray(1.0 - depth * (0.5 + 0.5 * np.tanh(3.0 * wave)), np.float32)


def _folds(n: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Soft light and shade around 1: [n, 28, 28]."""
    rows, columns = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j].astype(np.float32)
    grid = np.stack([rows, columns], axis=-1).reshape(1, -1, 2)
    light = ripples(np.repeat(grid, n, axis=0), 4, 2.5, rng)[..., 0].reshape(n, SIDE, SIDE)
    return np.asarray(1.0 + light * rng.uniform(0.02, 0.16, (n, 1, 1)), np.float32)
