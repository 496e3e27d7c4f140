"""What training workers can be asked for: to learn a task, or a new version of a known one.

An order waits in the store as JSON; its data wait beside it (`requests.py`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, get_type_hints

from cluster.registry import Registry
from pathways import DataError, LearnConfig, TaskData
from pathways.pairing import PairConfig
from pathways.revising import ImproveConfig, PruneConfig, ShareConfig, data_of

TASK = "task"
"""Role of the data that every order has: those of the task itself."""
HELD_OUT = "held_out"
"""Role of data that are kept from training, to prove a new version on."""
SECOND = "second"
"""Role of the labelled data of the second task of a pair."""
SHARED = "shared"
"""Role of data of the task whose units are shared."""


@dataclass(frozen=True, kw_only=True)
class Improve:
    """Backward transfer (§3.3): a known task reads a later one and is tuned on its own data."""

    source: str | None = None
    """The task to read; None: the one of the router's shortlist that promises most."""
    how: ImproveConfig = field(default_factory=ImproveConfig)


@dataclass(frozen=True, kw_only=True)
class Prune:
    """Fewer units in a known task's pathway (§3.6)."""

    how: PruneConfig = field(default_factory=PruneConfig)


@dataclass(frozen=True, kw_only=True)
class Share:
    """Graceful forgetting (§3.6): a new task that trains units of a known one too."""

    partner: str
    """The known task."""
    learn: LearnConfig = field(default_factory=LearnConfig)
    how: ShareConfig = field(default_factory=ShareConfig)


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two new tasks that are learned together from inputs that were shown together (§3.4)."""

    partner: str
    """The second task."""
    first: LearnConfig = field(default_factory=LearnConfig)
    second: LearnConfig = field(default_factory=LearnConfig)
    pairing: PairConfig = field(default_factory=PairConfig)


Order = LearnConfig | Improve | Prune | Share | Pair
"""LearnConfig: learn a new task and touch nothing else."""

_KINDS: dict[str, type[Any]] = {
    "learn": LearnConfig,
    "improve": Improve,
    "prune": Prune,
    "share": Share,
    "pair": Pair,
}


def new_tasks(task: str, order: Order) -> tuple[str, ...]:
    """Tasks that are not there yet and come of the order, which names `task`."""
    if isinstance(order, Pair):
        return task, order.partner
    return (task,) if isinstance(order, (LearnConfig, Share)) else ()


def known_tasks(task: str, order: Order) -> tuple[str, ...]:
    """Tasks that are there and get a new version of the order, which names `task`."""
    if isinstance(order, Share):
        return (order.partner,)
    return (task,) if isinstance(order, (Improve, Prune)) else ()


def to_fields(order: Order) -> dict[str, Any]:
    """The order as plain values that JSON can hold."""
    kind = next(name for name, made in _KINDS.items() if type(order) is made)
    return {"kind": kind, **dataclasses.asdict(order)}


def from_fields(fields: Mapping[str, Any]) -> Order:
    """Read what `to_fields` gave; raises ValueError, KeyError or TypeError for anything else."""
    given = dict(fields)
    order: Order = _made(_KINDS[given.pop("kind", "learn")], given)
    return order


def _made(kind: type[Any], fields: Mapping[str, Any]) -> Any:
    """A dataclass from its fields, of which some are dataclasses themselves."""
    types = get_type_hints(kind)
    return kind(
        **{
            name: _made(types[name], value) if dataclasses.is_dataclass(types[name]) else value
            for name, value in fields.items()
        }
    )


def check(order: Order, task: str, data: Mapping[str, TaskData], registry: Registry) -> None:
    """Whether the order can be carried out on a network, as far as can be told at once.

    `data`: by role, TASK for the task's own. Raises UnknownTask or DataError.
    """
    if isinstance(order, Improve) and order.source is not None:
        _check_source(order.source, task, registry)
    if isinstance(order, Share):
        if SHARED not in data:
            raise DataError(
                f"to share units of {order.partner!r} takes data of that task, to measure what it "
                "loses; give some that it was not trained on"
            )
        data_of(registry.entry(order.partner).spec, data[SHARED], "shared data")
    if isinstance(order, (Improve, Prune)):
        for role, given in data.items():
            what = "held-out data" if role == HELD_OUT else "data"
            data_of(registry.entry(task).spec, given, what)


def _check_source(source: str, task: str, registry: Registry) -> None:
    if source == task:
        raise DataError(f"task {task!r} cannot be improved from itself; name another source")
    wanted, found = registry.entry(task).spec.signature, registry.entry(source).spec.signature
    if wanted != found:
        raise DataError(
            f"{source} reads {found.key} and {task} {wanted.key}: a link joins tasks of one "
            "signature; name another source"
        )
