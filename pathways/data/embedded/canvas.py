"""Flat drawings: polygons and lines of one shade each, drawn large and smoothed down."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw

SIDE = 28
_ZOOM = 4  # drawn at 112 px and averaged down, so that edges come out grey

Points = NDArray[np.float64]
"""A path [k, 2] of x and y, y downwards, in any unit: drawings are fitted to the image."""


@dataclass(frozen=True, kw_only=True)
class Patch:
    """One polygon, or one line if `width` is set."""

    points: Points
    shade: float
    """Grey level 0..1."""

    width: float = 0.0
    """Line width in pixels of the finished image; 0 fills a polygon."""


def mirrored(half: ArrayLike) -> Points:
    """A left-right symmetric outline from its right half, listed from top to bottom at x >= 0."""
    right = np.asarray(half, np.float64)
    return np.concatenate([right, right[::-1] * (-1.0, 1.0)])


def flip(points: Points) -> Points:
    """The mirror image of `points` about x = 0."""
    return points * (-1.0, 1.0)


def rounded(points: ArrayLike, times: int = 2) -> Points:
    """A closed outline with its corners cut `times` times (Chaikin's curve)."""
    p = np.asarray(points, np.float64)
    for _ in range(times):
        after = np.roll(p, -1, axis=0)
        p = np.stack([0.75 * p + 0.25 * after, 0.25 * p + 0.75 * after], axis=1).reshape(-1, 2)
    return p


def arc(x: float, y: float, rx: float, ry: float, start: float, end: float) -> Points:
    """Points on an ellipse around (x, y) from angle `start` to `end`, in turns from the right."""
    turn = np.linspace(start, end, 14) * 2 * np.pi
    return np.stack([x + rx * np.cos(turn), y + ry * np.sin(turn)], axis=1)


def drawn(patches: list[Patch], fill: float) -> NDArray[np.float32]:
    """Draw `patches` in order, the longer side fitted to `fill` of the image.

    Returns shades 0..1, float32 [28, 28], black around the drawing.
    """
    side = SIDE * _ZOOM
    every = np.concatenate([p.points for p in patches])
    low, high = every.min(axis=0), every.max(axis=0)
    scale = fill * side / (high - low).max()
    image = Image.new("L", (side, side))
    draw = ImageDraw.Draw(image)
    for patch in patches:
        path = ((patch.points - (low + high) / 2) * scale + side / 2).ravel().tolist()
        shade = round(255 * min(max(patch.shade, 0.0), 1.0))
        if patch.width:
            draw.line(path, fill=shade, width=max(1, round(patch.width * _ZOOM)), joint="curve")
        else:
            draw.polygon(path, fill=shade)
    shades = np.asarray(image, np.float32).reshape(SIDE, _ZOOM, SIDE, _ZOOM)
    return np.asarray(shades.mean(axis=(1, 3)) / 255.0, np.float32)
