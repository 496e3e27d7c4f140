"""Small random affine maps of images: what a hand or a camera might have done differently."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

_TURN = _SHEAR = math.radians(5)
_SCALE = 0.08  # of both sides together; the height differs by half of it more
_SHIFT = 1 / 16  # of a side


def vary(x: Tensor) -> Tensor:
    """Images of 0..255 [n, height, width, channels] turned, sheared, scaled and shifted.

    Bilinear; what comes in at the edges is 0. Gives float32 of the same shape.
    """
    images = x.permute(0, 3, 1, 2).float()
    maps = _random_maps(len(x)).to(x.device)
    grid = F.affine_grid(maps, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, align_corners=False).permute(0, 2, 3, 1)


def _random_maps(n: int) -> Tensor:
    """Affine maps [n, 2, 3] from places in the changed image to places in the given one."""
    turn, shear = _uniform(n, _TURN), _uniform(n, _SHEAR)
    wide = 1 + _uniform(n, _SCALE)
    high = wide * (1 + _uniform(n, _SCALE / 2))
    across, down = _uniform(n, 2 * _SHIFT), _uniform(n, 2 * _SHIFT)
    rows = [
        torch.stack([wide * turn.cos(), shear.tan() - wide * turn.sin(), across]),
        torch.stack([high * turn.sin(), high * turn.cos(), down]),
    ]
    return torch.stack(rows).permute(2, 0, 1)


def _uniform(n: int, limit: float) -> Tensor:
    return (torch.rand(n) * 2 - 1) * limit
