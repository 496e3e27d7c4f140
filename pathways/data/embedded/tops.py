"""Garments for the upper body, and dresses: one cut, whose measures each class draws anew.

Lengths are in heights of a torso; shades are 0..1, the cloth itself about 0.8. The ranges of
the classes overlap on purpose: a long-sleeved shirt without visible buttons is a pullover.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np

from pathways.data.embedded.canvas import Patch, Points, arc, flip, mirrored

Neck = Literal["round", "v", "collar", "high", "hood", "lapels"]
Front = Literal["plain", "buttons", "zip", "open"]
_T = TypeVar("_T", bound=str)
_CLOTH = 0.8


@dataclass(frozen=True, kw_only=True)
class Cut:
    """The measures of one garment."""

    sleeve: float
    """Length of the sleeves; below 0.08 there are none."""

    spread: float
    """Angle of the sleeves from the vertical, in radians."""

    cuff: float
    """Width of the sleeve at its end."""

    shoulder: float
    chest: float
    waist: float
    hem: float
    """Half widths from top to bottom."""

    length: float
    """Shoulder to hem."""

    neck: Neck
    front: Front


def t_shirt(rng: np.random.Generator) -> list[Patch]:
    """Short or no sleeves, an open neck, at times a print on the chest."""
    chest = rng.uniform(0.27, 0.36)
    cut = Cut(
        sleeve=rng.choice([0.0, 0.5], p=[0.1, 0.9]) * rng.uniform(0.4, 1.05),
        spread=rng.uniform(0.25, 0.75),
        cuff=rng.uniform(0.15, 0.22),
        shoulder=chest * rng.uniform(0.84, 1.02),
        chest=chest,
        waist=chest * rng.uniform(0.85, 1.03),
        hem=chest * rng.uniform(0.92, 1.1),
        length=rng.uniform(0.92, 1.12),
        neck=_one(rng, ("round", "v", "collar"), (0.66, 0.26, 0.08)),
        front=_one(rng, ("plain", "buttons"), (0.94, 0.06)),
    )
    return _sewn(cut, rng) + (_print(cut, rng) if rng.random() < 0.35 else [])


def pullover(rng: np.random.Generator) -> list[Patch]:
    """Long sleeves, a closed front, a round or high neck or a hood."""
    return _sewn(
        _long_sleeved(
            rng,
            length=(0.88, 1.08),
            neck=_one(rng, ("round", "v", "high", "hood"), (0.5, 0.17, 0.18, 0.15)),
            front=_one(rng, ("plain", "buttons", "zip"), (0.9, 0.05, 0.05)),
        ),
        rng,
    )


def coat(rng: np.random.Generator) -> list[Patch]:
    """Long sleeves, a front that opens, often lapels; longer than a pullover."""
    return _sewn(
        _long_sleeved(
            rng,
            length=(0.98, 1.3),
            neck=_one(rng, ("lapels", "collar", "hood", "high"), (0.4, 0.2, 0.2, 0.2)),
            front=_one(rng, ("zip", "open", "buttons", "plain"), (0.5, 0.18, 0.24, 0.08)),
        ),
        rng,
    )


def shirt(rng: np.random.Generator) -> list[Patch]:
    """A collar and buttons more often than not; sleeves of any length."""
    cut = _long_sleeved(
        rng,
        length=(0.92, 1.18),
        neck=_one(rng, ("collar", "v", "round"), (0.6, 0.2, 0.2)),
        front=_one(rng, ("buttons", "plain", "open"), (0.6, 0.34, 0.06)),
        sleeve=rng.uniform(0.25, 0.6) if rng.random() < 0.38 else None,
    )
    return _sewn(cut, rng)


def dress(rng: np.random.Generator) -> list[Patch]:
    """Long and narrow, with a waist and a skirt; sleeves seldom reach the wrist."""
    chest = rng.uniform(0.16, 0.26)
    long = rng.random() < 0.22
    cut = Cut(
        sleeve=rng.uniform(0.5, 0.85) if long else rng.choice([0.0, 0.3]) * rng.uniform(0.4, 1.2),
        spread=rng.uniform(0.08, 0.3) if long else rng.uniform(0.2, 0.6),
        cuff=rng.uniform(0.08, 0.13),
        shoulder=chest * rng.uniform(0.7, 1.0),
        chest=chest,
        waist=chest * rng.uniform(0.66, 0.98),
        hem=chest * rng.uniform(0.9, 1.9),
        length=rng.uniform(1.15, 1.6),
        neck=_one(rng, ("round", "v", "collar"), (0.56, 0.4, 0.04)),
        front="plain",
    )
    return _sewn(cut, rng)


def _long_sleeved(
    rng: np.random.Generator,
    *,
    length: tuple[float, float],
    neck: Neck,
    front: Front,
    sleeve: float | None = None,
) -> Cut:
    chest = rng.uniform(0.26, 0.34)
    return Cut(
        sleeve=rng.uniform(0.78, 1.0) if sleeve is None else sleeve,
        spread=rng.uniform(0.1, 0.3) if sleeve is None else rng.uniform(0.2, 0.65),
        cuff=rng.uniform(0.1, 0.15) if sleeve is None else rng.uniform(0.14, 0.2),
        shoulder=chest * rng.uniform(0.86, 1.02),
        chest=chest,
        waist=chest * rng.uniform(0.85, 1.02),
        hem=chest * rng.uniform(0.88, 1.12),
        length=rng.uniform(*length),
        neck=neck,
        front=front,
    )


def _one(rng: np.random.Generator, among: tuple[_T, ...], chance: tuple[float, ...]) -> _T:
    return among[int(rng.choice(len(among), p=chance))]


def _sewn(cut: Cut, rng: np.random.Generator) -> list[Patch]:
    """Sleeves, body, neck and front, in drawing order."""
    gap = cut.shoulder * rng.uniform(0.36, 0.52)
    slope = rng.uniform(0.04, 0.1)
    body = mirrored(
        [
            (gap, 0.0),
            (cut.shoulder, slope),
            (cut.chest, 0.3),
            (cut.waist, 0.3 + 0.35 * (cut.length - 0.3)),
            (cut.hem, cut.length),
        ]
    )
    patches = _sleeves(cut, slope, rng) if cut.sleeve > 0.08 else []
    patches.append(Patch(points=body, shade=_CLOTH))
    if rng.random() < 0.4:
        band = rng.uniform(0.03, 0.08)
        rim = [(cut.hem * 0.98, cut.length - band), (cut.hem, cut.length)]
        patches.append(Patch(points=mirrored(rim), shade=_CLOTH * rng.uniform(0.75, 1.1)))
    return patches + _front(cut, rng) + _neck(cut.neck, gap, rng)


def _sleeves(cut: Cut, slope: float, rng: np.random.Generator) -> list[Patch]:
    along = np.array([np.sin(cut.spread), np.cos(cut.spread)])
    across = np.array([np.cos(cut.spread), -np.sin(cut.spread)])
    top = np.array([cut.shoulder, slope])
    pit = np.array([cut.chest * 0.97, 0.3])
    end = top + along * cut.sleeve
    bulge = top + along * 0.18 * min(1.0, cut.sleeve) + across * 0.04
    sleeve = np.stack([top - (0.08, 0.0), top, bulge, end, end - across * cut.cuff, pit])
    shade = _CLOTH * rng.uniform(0.86, 1.06)
    # A dark seam keeps arm and body apart where a long sleeve hangs down.
    seam = np.stack([top, pit, end - across * cut.cuff])
    half = [Patch(points=sleeve, shade=shade), Patch(points=seam, shade=0.4 * shade, width=0.5)]
    other = [Patch(points=flip(p.points), shade=p.shade, width=p.width) for p in half]
    return half + other


def _neck(neck: Neck, gap: float, rng: np.random.Generator) -> list[Patch]:
    inside = rng.uniform(0.1, 0.5)
    if neck == "round":
        return [Patch(points=arc(0, 0, gap, rng.uniform(0.06, 0.15), 0, 0.5), shade=inside)]
    if neck == "v":
        tip = rng.uniform(0.14, 0.32)
        return [Patch(points=mirrored([(gap, 0.0), (0.0, tip)]), shade=inside)]
    if neck == "high":
        roll = mirrored([(gap, -rng.uniform(0.05, 0.1)), (gap * 1.05, 0.05)])
        return [Patch(points=roll, shade=_CLOTH * rng.uniform(0.7, 1.1))]
    if neck == "hood":
        hood = mirrored([(gap * 0.6, -0.14), (gap * 1.2, -0.05), (gap * 1.1, 0.08), (0.0, 0.16)])
        opening = arc(0, -0.02, gap * 0.6, 0.09, 0, 1)
        return [
            Patch(points=hood, shade=_CLOTH * rng.uniform(0.8, 1.1)),
            Patch(points=opening, shade=inside),
        ]
    return _collar(gap, rng.uniform(0.1, 0.18) if neck == "collar" else rng.uniform(0.3, 0.5), rng)


def _collar(gap: float, drop: float, rng: np.random.Generator) -> list[Patch]:
    """Two flaps of cloth that meet `drop` below the neck."""
    flap = np.array([(gap * 0.9, -0.05), (gap * 1.3, 0.08), (gap * 0.8, drop * 0.9), (0.0, drop)])
    shade = _CLOTH * rng.uniform(0.9, 1.2)
    inside = mirrored([(gap * 0.9, -0.04), (0.0, drop)])
    edge: Points = flap[1:]
    patches = [Patch(points=inside, shade=rng.uniform(0.1, 0.5))]
    patches += [Patch(points=side, shade=shade) for side in (flap, flip(flap))]
    return patches + [
        Patch(points=side, shade=shade * 0.6, width=0.4) for side in (edge, flip(edge))
    ]


def _front(cut: Cut, rng: np.random.Generator) -> list[Patch]:
    if cut.front == "plain":
        return []
    line = np.array([(0.0, 0.08), (0.0, cut.length)])
    if cut.front == "open":
        lining = mirrored([(0.01, 0.08), (rng.uniform(0.03, 0.1), cut.length)])
        return [Patch(points=lining, shade=rng.uniform(0.0, 0.35))]
    if cut.front == "zip":
        shade = _CLOTH * rng.choice([0.35, 0.6, 1.25])
        return [Patch(points=line, shade=shade, width=rng.uniform(0.4, 0.9))]
    dark = Patch(points=line, shade=_CLOTH * rng.uniform(0.75, 0.95), width=rng.uniform(0.5, 1.2))
    heights = np.linspace(0.2, cut.length * 0.92, int(rng.integers(4, 8)))
    shade = rng.choice([0.25, 1.0])
    return [dark] + [Patch(points=arc(0, y, 0.02, 0.02, 0, 1), shade=shade) for y in heights]


def _print(cut: Cut, rng: np.random.Generator) -> list[Patch]:
    """A picture on the chest: one ellipse or box, lighter or darker than the cloth."""
    wide, high = cut.chest * rng.uniform(0.3, 0.7), rng.uniform(0.06, 0.2)
    middle, shade = rng.uniform(0.35, 0.5), rng.choice([0.3, 0.55, 1.0])
    if rng.random() < 0.5:
        return [Patch(points=arc(0, middle, wide, high, 0, 1), shade=shade)]
    return [Patch(points=mirrored([(wide, middle - high), (wide, middle + high)]), shade=shade)]
