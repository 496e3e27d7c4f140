"""Trousers, shoes and bags. Shoes are seen from the side, their toes to the left."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pathways.data.embedded.canvas import Patch, arc, flip, rounded

_CLOTH = 0.8


def trouser(rng: np.random.Generator) -> list[Patch]:
    """Two legs that hang from a waistband; some are short, some are wide."""
    waist, hip = rng.uniform(0.17, 0.24), rng.uniform(0.19, 0.27)
    length = rng.uniform(0.9, 1.25) if rng.random() < 0.92 else rng.uniform(0.5, 0.7)
    crotch, foot = rng.uniform(0.27, 0.38), rng.uniform(0.09, 0.17)
    inner = rng.uniform(0.0, 0.09)
    leg = np.array(
        [(0, 0), (waist, 0), (hip, 0.22), (inner + foot, length), (inner, length), (0, crotch)],
        np.float64,
    )
    shade = _CLOTH * rng.uniform(0.88, 1.0)
    band = np.array([(-waist, 0.0), (waist, 0.0), (waist, 0.06), (-waist, 0.06)])
    fly = np.array([(0.0, 0.0), (0.0, crotch), (inner * 0.8, length)])
    return [
        Patch(points=leg, shade=shade),
        Patch(points=flip(leg), shade=_CLOTH),
        Patch(points=band, shade=_CLOTH * rng.uniform(0.6, 1.15)),
        Patch(points=fly, shade=0.35 * shade, width=rng.uniform(0.3, 0.8)),
    ]


def sandal(rng: np.random.Generator) -> list[Patch]:
    """A sole, flat or on a heel, and straps with air between them."""
    heel = rng.uniform(0.0, 0.42) if rng.random() < 0.55 else rng.uniform(0.0, 0.08)
    thick = rng.uniform(0.05, 0.11)
    x = np.linspace(0.0, 1.0, 9)
    tread = 0.5 - heel * np.clip((x - 0.3) / 0.6, 0.0, 1.0) ** 1.3
    upper, lower = np.stack([x, tread], axis=1), np.stack([x, tread + thick], axis=1)
    sole = Patch(points=np.concatenate([upper, lower[::-1]]), shade=rng.uniform(0.45, 1.0))
    patches = [sole, *_straps(x, tread, rng)]
    if heel > 0.12:
        patches.append(_heel(0.5 - heel, 0.5 + thick, rng))
    return patches


def _heel(top: float, bottom: float, rng: np.random.Generator) -> Patch:
    wide = rng.uniform(0.07, 0.3)
    block = np.array([(1.0 - wide, top), (1.0, top), (0.98, bottom), (1.0 - wide * 0.7, bottom)])
    return Patch(points=block, shade=rng.uniform(0.45, 0.9))


def _straps(
    x: NDArray[np.float64],
    tread: NDArray[np.float64],
    rng: np.random.Generator,
) -> list[Patch]:
    """Bands over toes and instep, perhaps one around the ankle.

    `x` and `tread` [k] are the upper edge of the sole.
    """
    shade = rng.uniform(0.55, 1.0)
    patches = []
    for place in np.sort(rng.uniform(0.06, 0.75, int(rng.integers(2, 5)))):
        foot = float(np.interp(place, x, tread))
        rise, reach = rng.uniform(0.12, 0.2) + 0.12 * place, rng.uniform(0.1, 0.24)
        band = arc(place + reach / 2, foot, reach / 2, rise, 0.5, 1.0)
        width = rng.uniform(0.8, 2.6)
        patches.append(Patch(points=band, shade=shade * rng.uniform(0.8, 1.0), width=width))
    if rng.random() < 0.65:
        back, rise = float(tread[-1]), rng.uniform(0.18, 0.36)
        around = np.array([(0.97, back), (0.95, back - rise), (0.62, back - rise * 0.9)])
        patches.append(Patch(points=around, shade=shade, width=rng.uniform(0.8, 2.2)))
    return patches


def sneaker(rng: np.random.Generator) -> list[Patch]:
    """A low shoe with a light sole, laces and a stripe on the side."""
    height, toe = 0.3 + rng.exponential(0.09), rng.uniform(0.1, 0.18)
    collar = rng.uniform(0.55, 0.68)
    upper = rounded(
        [
            (0.0, 0.0),
            (0.02, -toe),
            (0.22, -toe - 0.06),
            (collar - 0.12, -height * 0.86),
            (collar, -height),
            (collar + 0.14, -height * rng.uniform(0.66, 0.86)),
            (0.98, -height * rng.uniform(0.85, 1.05)),
            (1.0, 0.0),
        ]
    )
    patches = [Patch(points=upper, shade=_CLOTH), _sole(rng.uniform(0.05, 0.1), rng)]
    return patches + _laces(collar, height, toe, rng) + _stripe(height, rng)


def ankle_boot(rng: np.random.Generator) -> list[Patch]:
    """A shaft above the ankle, a sole with or without a heel."""
    height, toe = rng.uniform(0.44, 1.0), rng.uniform(0.13, 0.22)
    front, back = rng.uniform(0.42, 0.58), rng.uniform(0.95, 1.0)
    heel = rng.uniform(0.0, 0.22) if rng.random() < 0.6 else 0.0
    instep = rng.uniform(0.3, 0.42)
    upper = rounded(
        [
            (0.0, 0.0),
            (0.02, -toe),
            (0.24, -toe - 0.06),
            (front - 0.02, -instep),
            (front, -height),
            (front, -height),
            (back, -height * rng.uniform(0.93, 1.04)),
            (back, -height),
            (rng.uniform(0.92, 1.0), -0.25),
            (1.0, -heel),
            (0.6, -heel * 0.8),
        ],
        times=2,
    )
    patches = [Patch(points=upper, shade=_CLOTH)]
    patches.append(_heel(-heel - 0.04, 0.05, rng) if heel > 0.05 else _sole(0.07, rng))
    if rng.random() < 0.5:
        patches += _laces(front + 0.1, height * 0.8, instep, rng)
    if rng.random() < 0.4:
        zipper = np.array([(0.72, -height * 0.95), (0.74, -0.12)])
        patches.append(Patch(points=zipper, shade=0.45, width=rng.uniform(0.4, 0.9)))
    return patches


def _sole(thick: float, rng: np.random.Generator) -> Patch:
    slab = np.array([(0.0, -0.02), (1.01, -0.02), (0.99, thick), (0.04, thick)])
    return Patch(points=slab, shade=rng.uniform(0.3, 1.0))


def _laces(x: float, height: float, toe: float, rng: np.random.Generator) -> list[Patch]:
    shade = rng.choice([0.35, 1.0])
    patches = []
    for t in np.linspace(0.25, 0.85, int(rng.integers(3, 6))):
        left, top = 0.22 + (x - 0.28) * t, -toe - 0.04 - (height - toe) * t * 0.85
        lace = np.array([(left, top), (left + 0.1, top + 0.06)])
        patches.append(Patch(points=lace, shade=shade, width=0.6))
    return patches


def _stripe(height: float, rng: np.random.Generator) -> list[Patch]:
    if rng.random() < 0.35:
        return []
    shade, lean = rng.choice([0.3, 0.55, 1.0]), rng.uniform(-0.12, 0.2)
    starts = 0.45 + 0.09 * np.arange(int(rng.integers(1, 4)))
    lines = [np.array([(s, -0.04), (s + lean, -height * 0.62)]) for s in starts]
    return [Patch(points=line, shade=shade, width=rng.uniform(0.7, 1.6)) for line in lines]


def bag(rng: np.random.Generator) -> list[Patch]:
    """A box or pouch, mostly with a handle or a strap, often with a flap and a clasp."""
    wide, high = rng.uniform(0.38, 0.5), rng.uniform(0.4, 0.85)
    taper = rng.uniform(0.78, 1.06)
    box = np.array([(-wide * taper, 0), (wide * taper, 0), (wide, high), (-wide, high)])
    patches = _handle(wide * taper, rng)
    patches.append(Patch(points=rounded(box, int(rng.integers(0, 3))), shade=_CLOTH))
    if rng.random() < 0.6:
        patches += _flap(wide * min(taper, 1.0), high, rng)
    if rng.random() < 0.4:
        seam = np.array([(-wide * 0.9, high * 0.9), (wide * 0.9, high * 0.9)])
        patches.append(Patch(points=seam, shade=0.5, width=rng.uniform(0.4, 1.0)))
    return patches


def _handle(wide: float, rng: np.random.Generator) -> list[Patch]:
    if rng.random() < 0.18:
        return []
    reach, rise = wide * rng.uniform(0.35, 0.95), rng.uniform(0.14, 0.55)
    band = arc(0, 0.04, reach, rise, 0.5, 1.0)
    return [Patch(points=band, shade=rng.uniform(0.4, 0.9), width=rng.uniform(0.8, 2.2))]


def _flap(wide: float, high: float, rng: np.random.Generator) -> list[Patch]:
    drop = high * rng.uniform(0.3, 0.65)
    edge = np.array([(-wide, 0.02), (-wide * 0.8, drop), (wide * 0.8, drop), (wide, 0.02)])
    clasp = arc(0, drop, 0.04, 0.05, 0, 1)
    return [
        Patch(points=edge, shade=_CLOTH * rng.uniform(0.8, 1.1)),
        Patch(points=edge, shade=0.45, width=0.5),
        Patch(points=clasp, shade=rng.choice([0.2, 1.0])),
    ]
