"""Examples of simulated classes: images that show their pattern, sounds that play it.

Every example is seen in another light: brighter or darker, the more so to one side, as strongly as
the pattern itself. Few examples do not tell that light means nothing; a source knows it.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from pathways.frozen import Inputs
from pathways.signature import Signature
from pathways.simulated.patterns import waves

_GREY, _DEPTH = 128.0, 38.0  # of an image: its mean, and what a pattern of one is worth
_LIGHT = 0.8  # standard deviation of brightness and of both slopes
_NOISE = 0.3  # of every pixel or tone
_STEPS, _TONES = 8, 12  # a sound's pattern: its rows are steps of time, its columns tones
_LOWEST_HZ, _HIGHEST_HZ = 250.0, 3_500.0
_NEPERS = 0.8  # of a tone's loudness, what a pattern of one is worth


def examples(
    signature: Signature,
    patterns: NDArray[np.float64],
    y: NDArray[np.int64],
    rng: np.random.Generator,
) -> Inputs:
    """Inputs [n, *signature.shape] of classes y [n] with pattern coefficients [classes, waves]."""
    if signature.modality == "image":
        height, width, _ = signature.shape
        seen = _seen(patterns, y, height, width, rng)
        return np.clip(_GREY + _DEPTH * seen[..., None], 0, 255).astype(np.uint8)
    return _played(_seen(patterns, y, _STEPS, _TONES, rng), signature, rng)


def _seen(
    patterns: NDArray[np.float64],
    y: NDArray[np.int64],
    height: int,
    width: int,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Patterns in random light and with noise [n, height, width]."""
    drawn = np.tensordot(patterns, waves(height, width), axes=1)[y]
    level, down, across = _LIGHT * rng.standard_normal((3, len(y), 1, 1))
    slopes = down * np.linspace(-1, 1, height)[:, None] + across * np.linspace(-1, 1, width)
    noise = _NOISE * rng.standard_normal(drawn.shape)
    return np.asarray(drawn + level + slopes + noise)


def _played(
    seen: NDArray[np.float64], signature: Signature, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Sounds [n, samples]: tones of random phase as loud as `seen` [n, steps, tones] says."""
    samples = signature.shape[0]
    loudness = np.exp(_NEPERS * seen).transpose(0, 2, 1) @ _ramps(seen.shape[1], samples)
    phases = rng.uniform(0, 2 * math.pi, (*loudness.shape[:2], 1))
    tones = np.sin(_turns(seen.shape[2], samples, signature.rate_hz) + phases)
    sounds = (loudness * tones).sum(axis=1)
    return np.asarray(sounds / np.abs(sounds).max(axis=1, keepdims=True), dtype=np.float32)


@lru_cache(maxsize=8)
def _ramps(steps: int, samples: int) -> NDArray[np.float64]:
    """Linear interpolation [steps, samples] from steps of time to samples."""
    at = np.linspace(0, steps - 1, samples)
    return np.maximum(0.0, 1.0 - np.abs(at - np.arange(steps)[:, None]))


@lru_cache(maxsize=8)
def _turns(tones: int, samples: int, rate_hz: int) -> NDArray[np.float64]:
    """Angle [tones, samples] of each tone, radians."""
    hz = np.geomspace(_LOWEST_HZ, _HIGHEST_HZ, tones)
    return np.asarray(2 * math.pi * hz[:, None] * np.arange(samples) / rate_hz)
