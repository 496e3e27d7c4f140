"""Features of images: random filters, rectified both ways, pooled; then a random kernel map.

Random filters with rectification and pooling carry most of what trained ones do at this depth
(Jarrett et al. 2009; Saxe et al. 2011); the square root evens out strong and weak edges as in
power-normalised Fisher vectors (Perronnin et al. 2010). The leading features are a linear view
of the same and the strength of fine texture, for the novelty test: noise and negatives differ
from drawings there. Sizes were chosen by measurement on digits, letters and clothes.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from dispatcher.errors import FeatureError
from dispatcher.novelty import view_dim
from dispatcher.random_map import RandomFourier, RandomProjection, rng

_SIDE = 28
"""Images of other sizes are resampled to this many pixels each way."""

_BANKS = ((1, 16, 5, 1.4), (2, 24, 7, 1.8))
"""How many times smaller the image is made, filters, their side in pixels, and the width of
the Gaussian window over them. Large filters need no fine grid."""

_POOLED_SIDE = 5
_POOLED_DIM = 2 * sum(bank[1] for bank in _BANKS) * _POOLED_SIDE**2
_BANDWIDTH = 1.4

_TEXTURE_FLOOR, _TEXTURE_SCALE = 0.05, 0.1
_LAPLACIAN = torch.tensor([[[[0.0, -1.0, 0.0], [-1.0, 4.0, -1.0], [0.0, -1.0, 0.0]]]]) / 4.0

_CHUNK = 256
"""Images at a time: bounds the memory of the filtered images to some 50 MB."""


class ImageFeatures:
    """Features of uint8 images [n, height, width, channels]."""

    def __init__(self, shape: tuple[int, ...], *, seed: int, dim: int) -> None:
        if len(shape) != 3 or min(shape) < 1:
            raise FeatureError(f"an image has height, width and channels, got {shape}")
        self._shape = shape
        self._dim = dim
        self._banks = [torch.from_numpy(filters) for filters in _filter_banks(shape[2], seed)]
        viewed = view_dim(dim)
        self._texture_side = 4 if viewed >= 128 else 2
        projected = viewed - 3 * self._texture_side**2
        self._view = RandomProjection(_POOLED_DIM, projected, seed + 1)
        self._map = RandomFourier(_POOLED_DIM, dim - viewed, _BANDWIDTH, seed + 2)

    @property
    def dim(self) -> int:
        """Length of a feature vector."""
        return self._dim

    @torch.inference_mode()
    def __call__(self, x: NDArray[np.generic]) -> NDArray[np.float32]:
        """Features [n, dim] of a batch; raises FeatureError if it is of another shape."""
        if x.shape[1:] != self._shape or x.dtype != np.uint8:
            expected = ", ".join(map(str, self._shape))
            raise FeatureError(f"expected uint8 images [n, {expected}], got {x.dtype} {x.shape}")
        out = np.empty((len(x), self._dim), dtype=np.float32)
        for start in range(0, len(x), _CHUNK):
            images = _to_grid(x[start : start + _CHUNK])
            pooled = self._pooled(images)
            texture = _texture(images, self._texture_side)
            parts = [self._view(pooled), texture, self._map(pooled)]
            out[start : start + _CHUNK] = torch.cat(parts, dim=1).numpy()
        return out

    def _pooled(self, images: Tensor) -> Tensor:
        """Unit vectors [n, _POOLED_DIM] of images [n, channels, side, side]."""
        parts = []
        for (shrink, *_), filters in zip(_BANKS, self._banks, strict=True):
            level = F.avg_pool2d(images, shrink) if shrink > 1 else images
            response = F.conv2d(level, filters, padding=filters.shape[-1] // 2)
            mean = F.adaptive_avg_pool2d(response, _POOLED_SIDE)
            positive = F.adaptive_avg_pool2d(response.relu_(), _POOLED_SIDE)
            parts += [positive, (positive - mean).clamp_(min=0.0)]
        return F.normalize(torch.cat(parts, dim=1).flatten(1).sqrt_(), dim=1)


def _to_grid(x: NDArray[np.generic]) -> Tensor:
    """Images [n, height, width, channels] of 0..255 as [n, channels, side, side] of 0..1."""
    images = torch.from_numpy(x.astype(np.float32)).permute(0, 3, 1, 2).div_(255.0)
    if images.shape[2:] == (_SIDE, _SIDE):
        return images
    return F.interpolate(images, (_SIDE, _SIDE), mode="bilinear", antialias=True)


def _texture(images: Tensor, side: int) -> Tensor:
    """Log strength [n, 3 side²] of fine and less fine texture, and brightness, by place."""
    grey = images.mean(dim=1, keepdim=True)
    halved = F.avg_pool2d(grey, 2)
    quartered = F.avg_pool2d(halved, 2)
    fine, coarse = (F.conv2d(level, _LAPLACIAN, padding=1).abs_() for level in (grey, halved))
    by_place = [F.adaptive_avg_pool2d(a, side) for a in (fine, coarse, quartered)]
    strength = torch.cat(by_place, dim=1).flatten(1)
    return strength.add_(_TEXTURE_FLOOR).log_().mul_(_TEXTURE_SCALE)


def _filter_banks(channels: int, seed: int) -> list[NDArray[np.float32]]:
    """Banks [n, channels, side, side] of random filters of zero mean and unit norm."""
    random = rng(seed)
    banks = []
    for _, n, side, width in _BANKS:
        offset = np.arange(side) - side // 2
        window = np.exp(-(offset[:, None] ** 2 + offset**2) / (2.0 * width**2))
        filters = random.standard_normal((n, channels, side, side)) * window
        excess = filters.sum(axis=(1, 2, 3), keepdims=True) / (channels * window.sum())
        filters -= excess * window
        norms = np.sqrt((filters**2).sum(axis=(1, 2, 3), keepdims=True))
        banks.append(np.asarray(filters / norms, dtype=np.float32))
    return banks
