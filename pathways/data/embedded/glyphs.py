"""Characters as if written by many hands: forms, distorted and inked in batches."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pathways.data.embedded.canvas import SIDE
from pathways.data.embedded.strokes import POINTS, Form, face_form, hand_forms
from pathways.data.embedded.warp import ripples

_CHUNK = 512  # images inked at once: bounds the work arrays to some 30 MB
_HAND_SHARE = 0.78
_PLAIN = ("futural", "rowmans", "futuram")
_FACES = {
    "digits": (*_PLAIN, "scripts"),
    "lower": (*_PLAIN, "timesr"),
    "upper": (*_PLAIN, "timesr"),
}


def glyph_images(
    characters: str, kind: str, per_class: int, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """`per_class` images of each character in turn: uint8 [n, 28, 28, 1], light on black.

    `kind` (digits, lower or upper) chooses the printed faces mixed with the hand-printed forms.
    """
    forms = [f for c in characters for f in _draw_forms(c, per_class, _FACES[kind], rng)]
    images = [
        _written(forms[start : start + _CHUNK], rng) for start in range(0, len(forms), _CHUNK)
    ]
    return np.concatenate(images)[..., None]


def _draw_forms(
    character: str, n: int, faces: tuple[str, ...], rng: np.random.Generator
) -> list[Form]:
    hand = hand_forms(character)
    printed = [face_form(face, character) for face in faces]
    by_hand = rng.random(n) < _HAND_SHARE
    pick = rng.random(n)
    return [
        hand[int(p * len(hand))] if h else printed[int(p * len(printed))]
        for h, p in zip(by_hand, pick, strict=True)
    ]


def _written(forms: list[Form], rng: np.random.Generator) -> NDArray[np.uint8]:
    points = np.stack([f.points for f in forms])
    stroke = np.stack([f.stroke for f in forms])
    # Most people write neatly and some do not: one factor scales an image's distortions.
    mess = np.exp(rng.normal(-0.1, 0.4, (len(forms), 1, 1))).clip(0.0, 1.7).astype(np.float32)
    points = _loosen(points, stroke, mess, rng)
    points = points + mess * 0.088 * ripples(points, 5, 2.0, rng)
    points = _fit(_slant(points, mess, rng), rng)
    return _ink(points, stroke, rng)


def _loosen(
    points: NDArray[np.float32],
    stroke: NDArray[np.int64],
    mess: NDArray[np.float32],
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    """Strokes slip against each other and the pen trembles: [n, POINTS, 2] to the same."""
    n = len(points)
    slip = rng.normal(0.0, 0.05, (n, int(stroke.max()) + 1, 2)).astype(np.float32)
    slipped = points + mess * np.take_along_axis(slip, stroke[..., None], axis=1)
    time = np.linspace(0.0, 2 * np.pi, POINTS, dtype=np.float32)[:, None]
    rate = rng.uniform(1.5, 6.0, (n, 1, 2)).astype(np.float32)
    phase = rng.uniform(0.0, 2 * np.pi, (n, 1, 2)).astype(np.float32)
    tremble = np.sin(rate * time + phase) * mess * 0.03
    return np.asarray(slipped + tremble, np.float32)


def _slant(
    points: NDArray[np.float32], mess: NDArray[np.float32], rng: np.random.Generator
) -> NDArray[np.float32]:
    """Turn, slant and stretch each character: [n, POINTS, 2] to the same."""
    n = len(points)
    turn = mess[:, 0, 0] * rng.normal(0.0, 0.09, n)
    lean = mess[:, 0, 0] * rng.normal(0.0, 0.14, n) + 0.08
    stretch = np.exp(rng.normal(0.0, 0.13, n))
    cos, sin = np.cos(turn), np.sin(turn)
    x = np.stack([stretch * cos, -lean * cos - sin], axis=-1)
    y = np.stack([stretch * sin, -lean * sin + cos], axis=-1)
    matrix = np.stack([x, y], axis=1).astype(np.float32)
    return np.asarray(points @ matrix.transpose(0, 2, 1), np.float32)


def _fit(points: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Scale each character's longer side to about 20 px and centre it, in pixels."""
    low, high = points.min(axis=1, keepdims=True), points.max(axis=1, keepdims=True)
    size = rng.uniform(17.5, 21.0, (len(points), 1, 1))
    shift = rng.normal(0.0, 0.5, (len(points), 1, 2)) + (SIDE - 1) / 2
    fitted = (points - (low + high) / 2) / (high - low).max(axis=2, keepdims=True) * size + shift
    return np.asarray(fitted, np.float32)


def _ink(
    points: NDArray[np.float32], stroke: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Draw paths of pixel coordinates [n, POINTS, 2]: uint8 [n, 28, 28].

    Every point is a Gaussian blot and so a product of a row and a column: one batched matrix
    product adds all blots of an image, and a threshold turns the sum into a stroke with an edge.
    """
    n = len(points)
    width = rng.uniform(0.62, 1.15, (n, 1)).astype(np.float32) * _pressure(n, rng)
    weight = _lengths(points, stroke) * _skips(n, rng) / (width * np.float32(np.sqrt(2 * np.pi)))
    grid = np.arange(SIDE, dtype=np.float32)
    across, down = (
        np.exp(-0.5 * ((points[..., axis, None] - grid) / width[..., None]) ** 2) for axis in (0, 1)
    )
    density = (down * weight[..., None]).transpose(0, 2, 1) @ across
    soft = rng.uniform(0.35, 0.75, (n, 1, 1))
    ink = np.clip((density - 0.5) / soft + 0.5, 0.0, 1.0) * rng.uniform(0.78, 1.0, (n, 1, 1))
    speck = rng.normal(0.0, 1.0, ink.shape) * rng.exponential(0.022, (n, 1, 1))
    return np.asarray(np.clip((ink + speck) * 255.0, 0.0, 255.0).round(), np.uint8)


def _pressure(n: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """How much wider the pen is at each point of a path, around 1: [n, POINTS]."""
    time = np.linspace(0.0, 2 * np.pi, POINTS, dtype=np.float32)
    rate, phase = rng.uniform(0.5, 3.0, (n, 1)), rng.uniform(0.0, 2 * np.pi, (n, 1))
    return (1.0 + rng.uniform(0.0, 0.22, (n, 1)) * np.sin(rate * time + phase)).astype(np.float32)


def _skips(n: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """The pen leaves the paper for a moment in one path of six: 0 there, else 1: [n, POINTS]."""
    start = rng.uniform(0.0, POINTS, (n, 1))
    length = rng.uniform(6.0, 14.0, (n, 1)) * (rng.random((n, 1)) < 1 / 6)
    at = np.arange(POINTS)
    return np.where((at >= start) & (at < start + length), 0.0, 1.0).astype(np.float32)


def _lengths(points: NDArray[np.float32], stroke: NDArray[np.int64]) -> NDArray[np.float32]:
    """The length of path each point stands for, in pixels: [n, POINTS]."""
    step = np.linalg.norm(np.diff(points, axis=1), axis=2)
    step = np.where(np.diff(stroke, axis=1) == 0, step, 0.0)
    before = np.pad(step, ((0, 0), (1, 0)))
    after = np.pad(step, ((0, 0), (0, 1)))
    # A stroke's end has one neighbour only, which then counts in full.
    both = (before > 0) & (after > 0)
    return np.asarray(np.where(both, (before + after) / 2, before + after), np.float32)
