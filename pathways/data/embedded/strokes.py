"""Pen paths of characters: hand-printed forms written here and Hershey's stroke faces."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np
from HersheyFonts import HersheyFonts
from numpy.typing import NDArray

POINTS = 128
"""Samples along every character: at most 0.8 px apart in a 20 px box, so ink has no gaps."""

_PER_SPAN = 8  # spline samples between two written points

# A point is two digits, x then y, on a 0..9 grid with y downwards. Points of a stroke are
# joined by a smooth curve, a point written twice is a corner, "/" lifts the pen. Each form
# fills its own grid: characters are scaled to one box anyway, as in EMNIST. Letters that
# look alike in both cases when printed by hand (c, k, o, p, s, u, v, w, x, z) share forms.
_ROUND = ("50 21 14 27 59 87 94 81 50", "50 31 23 26 38 59 78 86 83 71 50")
_C = ("82 50 21 14 17 49 69 87", "71 50 22 15 38 69 88")
_K = ("20 29 / 81 25 25 89", "20 29 / 82 25 / 34 89")
_P = ("20 29 / 21 50 82 74 55 25", "20 29 / 20 60 82 64 25")
_S = ("82 50 21 33 55 77 58 39 17", "81 60 30 23 44 66 78 59 18")
_U = ("10 16 39 69 86 80", "10 15 29 59 77 80 80 89")
_V = ("10 49 49 80", "10 38 49 58 80")
_W = ("00 29 29 52 52 79 79 90", "00 17 38 53 53 78 97 90")
_X = ("10 89 / 80 19", "20 79 / 81 18")
_Z = ("10 80 80 19 19 89", "10 80 80 19 19 89 / 35 75")
_M = ("09 01 / 04 21 43 49 / 43 71 93 99", "09 11 11 47 47 81 81 99", "19 10 10 56 56 90 90 99")

HAND: dict[str, tuple[str, ...]] = {
    "0": _ROUND,
    "1": ("50 59", "60 49", "32 50 50 59", "32 50 50 59 / 29 79"),
    "2": ("22 40 60 72 64 29 29 89", "22 40 70 73 45 18 27 48 89"),
    "3": ("21 40 70 73 44 44 75 78 49 18", "10 80 80 44 44 75 78 49 18"),
    "4": ("60 15 15 85 / 60 69", "20 15 15 75 / 70 69"),
    "5": ("80 30 30 24 24 53 86 78 49 18", "30 24 24 63 86 78 49 18 / 30 80"),
    "6": ("70 33 16 28 59 87 65 35 17", "50 24 17 49 77 65 35 17"),
    "7": ("10 80 80 49", "10 80 80 39 / 25 75", "12 10 10 80 80 54 49"),
    "8": ("71 40 22 44 76 68 49 28 26 54 72 71", "50 22 44 76 59 26 54 82 50"),
    "9": ("82 50 23 45 74 82 82 69", "82 50 23 45 74 82 76 39"),
    "a": ("81 50 13 17 39 66 81 81 87 99", "71 40 14 17 39 66 72 70 70 89",
          "12 40 71 83 89 / 84 46 18 49 76"),
    "b": ("20 29 / 25 54 86 79 49 27", "20 28 59 87 65 25"),
    "c": _C,
    "d": ("80 89 / 85 54 16 29 59 87", "80 89 / 85 34 17 49 87"),
    "e": ("15 85 85 72 40 13 17 59 87", "16 64 82 50 22 16 39 69 87"),
    "f": ("81 60 43 49 / 14 74", "80 50 33 39 / 14 64", "82 50 33 39 / 24 74"),
    "g": ("82 50 23 45 82 82 77 49 18", "81 50 22 44 81 81 86 59 27 55 95"),
    "h": ("20 29 / 25 54 76 79", "20 29 29 26 54 75 79"),
    "i": ("54 59 / 50 51", "44 57 69 / 50 51"),
    "j": ("63 67 49 28 / 60 61", "43 63 63 67 49 28 / 60 61"),
    "k": _K,
    "l": ("50 59", "40 47 59 69", "60 49"),
    "m": _M[:2],
    "n": ("20 29 / 23 50 73 79", "21 29 29 24 51 73 79"),
    "o": _ROUND,
    "p": _P,
    "q": ("81 50 13 45 81 81 89", "81 40 13 45 71 81 81 79 97"),
    "r": ("20 29 / 24 41 80", "21 29 29 25 51 82"),
    "s": _S,
    "t": ("50 57 69 88 / 23 83", "50 59 / 23 73", "40 48 69 / 14 74"),
    "u": _U,
    "v": _V,
    "w": _W,
    "x": _X,
    "y": ("10 55 / 80 29", "10 24 55 80 80 77 49 18"),
    "z": _Z,
    "A": ("09 50 50 99 / 26 76", "19 32 50 72 89 / 16 86"),
    "B": ("20 29 / 20 60 72 54 24 / 54 86 59 29", "20 29 29 20 20 60 72 44 44 86 69 29"),
    "C": _C,
    "D": ("20 29 / 20 50 83 86 59 29", "20 29 / 10 50 94 69 19"),
    "E": ("80 20 20 29 29 89 / 24 64", "20 29 / 20 80 / 24 74 / 29 89"),
    "F": ("20 29 / 20 80 / 24 64", "80 20 20 29 / 25 75"),
    "G": ("82 50 13 17 59 86 85 85 55", "82 50 13 17 49 78 85 / 55 95 / 85 89"),
    "H": ("10 19 / 80 89 / 14 84", "20 19 / 80 79 / 25 75"),
    "I": ("50 59", "50 59 / 20 80 / 29 79", "50 59 / 30 70 / 39 69"),
    "J": ("70 77 49 27", "70 77 49 27 / 40 90"),
    "K": _K,
    "L": ("20 29 29 79", "20 28 39 79"),
    "M": _M,
    "N": ("19 10 10 89 89 80", "19 10 / 10 89 / 89 80"),
    "O": _ROUND,
    "P": _P,
    "Q": ("50 21 14 27 59 87 94 81 50 / 66 99", "50 21 14 27 48 87 94 81 50 / 57 89"),
    "R": ("20 29 / 20 60 82 64 24 24 89", "20 29 / 20 60 73 45 25 / 45 79"),
    "S": _S,
    "T": ("50 59 / 10 90", "50 59 / 00 80"),
    "U": _U,
    "V": _V,
    "W": _W,
    "X": _X,
    "Y": ("10 54 54 90 / 54 59", "10 54 / 90 39", "10 24 54 90 / 54 59"),
    "Z": _Z,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Form:
    """One way to write a character."""

    points: NDArray[np.float32]
    """[POINTS, 2], x and y at equal distances along the pen's path; longest side 2, centred."""

    stroke: NDArray[np.int64]
    """The stroke of each point [POINTS], from 0."""


@cache
def hand_forms(character: str) -> tuple[Form, ...]:
    """The hand-printed forms of `character`."""
    return tuple(_form(_parse(text)) for text in HAND[character])


@cache
def face_form(face: str, character: str) -> Form:
    """`character` in one of Hershey's faces."""
    strokes = _font(face).strokes_for_text(character)
    return _form([np.asarray(s, np.float32) for s in map(list, strokes) if len(s) > 1])


@cache
def _font(face: str) -> HersheyFonts:
    font = HersheyFonts()
    font.load_default_font(face)
    return font


def _parse(text: str) -> list[NDArray[np.float32]]:
    """The strokes of a written form, each a fine polyline [points, 2]."""
    strokes = []
    for stroke in text.split("/"):
        points = [(float(p[0]), float(p[1])) for p in stroke.split()]
        corners = [i for i in range(1, len(points)) if points[i] == points[i - 1]]
        ends = [0, *corners, len(points)]
        arcs = [np.array(points[a:b]) for a, b in pairwise(ends)]
        strokes.append(np.concatenate([_spline(arc) for arc in arcs]).astype(np.float32))
    return strokes


def _spline(knots: NDArray[np.float64]) -> NDArray[np.float64]:
    """A Catmull-Rom curve through `knots` [k, 2], sampled [(k - 1) * _PER_SPAN + 1, 2]."""
    ends = 2 * knots[[0, -1]] - knots[[1, -2]]
    p = np.concatenate([ends[:1], knots, ends[1:]])[:, None]
    a, b, c, d = p[:-3], p[1:-2], p[2:-1], p[3:]
    t = (np.arange(_PER_SPAN) / _PER_SPAN)[None, :, None]
    curve = b + t / 2 * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))
    return np.concatenate([curve.reshape(-1, 2), knots[-1:]])


def _form(strokes: list[NDArray[np.float32]]) -> Form:
    lengths = [np.linalg.norm(np.diff(s, axis=0), axis=1) for s in strokes]
    share = np.cumsum([0.0] + [float(length.sum()) for length in lengths])
    at = (np.arange(POINTS) + 0.5) / POINTS * share[-1]
    stroke = np.searchsorted(share, at) - 1
    points = np.empty((POINTS, 2), np.float32)
    for i, (line, length) in enumerate(zip(strokes, lengths, strict=True)):
        along = share[i] + np.concatenate([[0.0], np.cumsum(length)])
        for axis in (0, 1):
            points[stroke == i, axis] = np.interp(at[stroke == i], along, line[:, axis])
    low, high = points.min(axis=0), points.max(axis=0)
    return Form(points=(points - (low + high) / 2) * 2 / (high - low).max(), stroke=stroke)
