"""Features of a table's rows: columns squashed to a common size; then a random kernel map.

Nothing is known of a column's scale, and nothing may be learned of it. The inverse hyperbolic sine
is linear near zero and a logarithm with a sign far from it, so at some scales together it tells
values of any size apart by their ratio (as the logarithm does for skewed columns).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dispatcher.errors import FeatureError
from dispatcher.novelty import view_dim
from dispatcher.random_map import RandomFourier, RandomProjection

_UNITS = (1.0, 0.001)
"""What counts as small: values far below are seen as about equal, far above by their ratio."""

_BANDWIDTHS = (1.0, 4.0)
"""Wide and narrow kernels, half of the features each. Units and bandwidths were chosen by
measurement on scikit-learn's real tables, cut to equal widths."""
_CHUNK = 1_024


class TableFeatures:
    """Features of float32 rows [n, columns]."""

    def __init__(self, shape: tuple[int, ...], *, seed: int, dim: int) -> None:
        if len(shape) != 1 or shape[0] < 1:
            raise FeatureError(f"a table's row has one size, got {shape}")
        self._shape = shape
        self._dim = dim
        viewed, width = view_dim(dim), len(_UNITS) * shape[0]
        rest = dim - viewed
        wide = rest // 2
        self._maps = [
            RandomFourier(width, size, bandwidth, seed + place)
            for place, (size, bandwidth) in enumerate(
                zip((wide, rest - wide), _BANDWIDTHS, strict=True)
            )
        ]
        self._view = _view(width, viewed, seed + len(self._maps))

    @property
    def dim(self) -> int:
        """Length of a feature vector."""
        return self._dim

    @torch.inference_mode()
    def __call__(self, x: NDArray[np.generic]) -> NDArray[np.float32]:
        """Features [n, dim] of a batch; raises FeatureError if it is of another shape."""
        if x.shape[1:] != self._shape or x.dtype != np.float32:
            raise FeatureError(
                f"expected float32 rows [n, {self._shape[0]}], got {x.dtype} {x.shape}"
            )
        out = np.empty((len(x), self._dim), dtype=np.float32)
        for start in range(0, len(x), _CHUNK):
            columns = _squashed(x[start : start + _CHUNK])
            parts = [self._view(columns), *(each(columns) for each in self._maps)]
            out[start : start + _CHUNK] = torch.cat(parts, dim=1).numpy()
        return out


def _view(width: int, viewed: int, seed: int) -> Callable[[Tensor], Tensor]:
    """What the novelty test looks at: squashed columns [n, width] → [n, viewed].

    The columns as they are, filled up with a kernel map: an ellipsoid over columns alone holds much
    that lies between a task's rows. Of many columns a projection.
    """
    if width >= viewed:
        return RandomProjection(width, viewed, seed)
    rest = RandomFourier(width, viewed - width, _BANDWIDTHS[0], seed)
    return lambda columns: torch.cat([columns, rest(columns)], dim=1)


def _squashed(x: NDArray[np.generic]) -> Tensor:
    """[n, scales · columns] of some units each, with squares that add up to about 1."""
    rows = torch.from_numpy(x.astype(np.float64))
    parts = [(rows / unit).asinh_() for unit in _UNITS]
    return torch.cat(parts, dim=1).div_(np.sqrt(rows.shape[1])).float()
