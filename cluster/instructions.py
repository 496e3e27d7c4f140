"""What residency tells the slot pool to do: plain frozen values."""

from __future__ import annotations

from dataclasses import dataclass

from cluster.places import Seat
from pathways import PathwayId


@dataclass(frozen=True, kw_only=True)
class Placement:
    """What to do to load one pathway, in this order."""

    load: PathwayId
    slot: int
    start: Seat | None = None
    """The slot does not run yet and must be started here."""
    evict: PathwayId | None = None
    """The pathway to unload from the slot first."""
    leave: int | None = None
    """The slot it moves from: to be unloaded there once it is loaded."""


@dataclass(frozen=True, kw_only=True)
class Wake:
    """A pathway that should be resident has lost its place."""

    pathway: PathwayId


@dataclass(frozen=True, kw_only=True)
class Unload:
    """A copy of a pathway is not wanted any more."""

    pathway: PathwayId
    slot: int


@dataclass(frozen=True, kw_only=True)
class Stop:
    """A slot is empty and not wanted any more."""

    slot: int


Instruction = Placement | Wake | Unload | Stop
