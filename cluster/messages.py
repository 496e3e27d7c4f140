"""What the parts of the cluster tell each other and the user: plain frozen values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from cluster.names import weights_path
from cluster.orders import SECOND, TASK, Order, known_tasks, new_tasks
from cluster.registry import PathwayEntry, Registry
from cluster.registry_log import pack, unpack
from pathways import Inputs, LearnConfig, PathwayId, StoredPathway, TaskData
from pathways.data.paired import PairedData

if TYPE_CHECKING:
    from cluster.changes import News, RouterChange
    from cluster.inputs import Input


class Stage(StrEnum):
    """Where an expansion stands."""

    WAITING = "waiting"
    LEARNING = "learning"
    LEARNED = "learned"
    FAILED = "failed"
    UNCHANGED = "unchanged"
    """A new version was tried and is not worth having: the task stays as it is."""


@dataclass(frozen=True, kw_only=True)
class ExpansionStatus:
    """What is known of one expansion."""

    request: str
    task: str
    stage: Stage
    partner: str | None = None
    """The task that is learned together with it, if it is a pair."""
    epoch: int = 0
    epochs: int = 0
    """Planned; 0 until training starts."""
    unit: str = "epoch"
    """What `epoch` counts: of a fitted model its parts, for example `tree`."""
    loss: float | None = None
    accuracy: float | None = None
    """On the training data of the last epoch, 0..1."""
    network_version: int | None = None
    """The version that has the task, once learned; None if that is long ago."""
    error: str | None = None
    outcome: str | None = None
    """What came of a revision, in a sentence."""

    @property
    def ended(self) -> bool:
        return self.stage not in (Stage.WAITING, Stage.LEARNING)


def learned_long_ago(entry: PathwayEntry) -> ExpansionStatus:
    """What the registry still knows of the expansion that made a pathway."""
    training = entry.spec.training
    return ExpansionStatus(
        request=entry.request,
        task=entry.id.task,
        stage=Stage.LEARNED,
        epoch=training.epochs,
        epochs=training.epochs,
        accuracy=training.train_accuracy,
    )


@dataclass(frozen=True, kw_only=True)
class NewTask:
    """A task that a user wants learned, or a new version of one that is known."""

    task: str
    data: TaskData
    config: Order = field(default_factory=LearnConfig)
    """What is to be done, and how."""
    beside: Mapping[str, TaskData] = field(default_factory=dict)
    """Other data that this takes, by role; see `orders`."""
    weights: bytes | None = None
    """A safetensors file that the family of a new task starts from."""
    together: tuple[Inputs, Inputs] | None = None
    """Inputs of the two tasks of a pair [m, …] that were shown together, row by row."""

    @property
    def by_role(self) -> dict[str, TaskData]:
        """All data."""
        return {TASK: self.data, **self.beside}

    @property
    def paired(self) -> PairedData:
        """The data of a pair."""
        assert self.together is not None, f"{self.task} is no pair"
        x_first, x_second = self.together
        second = self.beside[SECOND]
        return PairedData(first=self.data, second=second, x_first=x_first, x_second=x_second)


@dataclass(frozen=True, kw_only=True)
class WaitingTask:
    """A task, or a pair of them, taken from the queue by a training worker."""

    request: str
    task: str
    config: Order

    @property
    def tasks(self) -> tuple[str, ...]:
        """All tasks that get a version of it; the one it is called after comes first."""
        return tuple(
            dict.fromkeys(
                (
                    self.task,
                    *new_tasks(self.task, self.config),
                    *known_tasks(self.task, self.config),
                )
            )
        )


@dataclass(frozen=True, kw_only=True)
class Work:
    """What a training worker is given when it asks for a task."""

    waiting: WaitingTask
    news: News
    """What is new in the network since the worker last asked."""


@dataclass(frozen=True, kw_only=True)
class Learned:
    """A pathway that a training worker hands over for publication; its files are in the store."""

    pathway: StoredPathway
    statistics_path: str
    statistics_sha256: str

    def entry(self, request: str, learned_at: datetime) -> PathwayEntry:
        """The registry entry that publishes it."""
        spec = self.pathway.spec
        return PathwayEntry(
            spec=spec,
            weights_path=weights_path(spec.id, spec.weights_sha256),
            statistics_path=self.statistics_path,
            statistics_sha256=self.statistics_sha256,
            request=request,
            learned_at=learned_at.isoformat(timespec="seconds"),
        )


@dataclass(frozen=True, kw_only=True)
class Finished:
    """What came of a task that a worker took."""

    learned: tuple[Learned, ...]
    """To be published together; none: everything stays as it is."""
    outcome: str | None = None
    """What came of a revision, in a sentence."""


@dataclass(frozen=True, kw_only=True)
class NetworkView:
    """What a dispatcher needs to serve one network version."""

    epoch: int
    """Grows with every change of the network or of where pathways are resident."""
    registry: Registry
    placement: Mapping[PathwayId, tuple[Any, ...]]
    """Resident pathway → handles of its slots' actors; a hot one has more than one."""
    slots: Mapping[PathwayId, tuple[int, ...]] = field(default_factory=dict)
    """Resident pathway → numbers of its slots."""
    nodes: Mapping[int, str] = field(default_factory=dict)
    """Slot → id of the node it is on."""
    routers: Mapping[str, RouterChange] = field(default_factory=dict)
    """Signature key → its router: a whole snapshot and what was added to it."""
    unavailable: Mapping[str, str] = field(default_factory=dict)
    """Task → why it cannot be served."""
    small: int = 0
    """Weights up to which a pathway runs in the dispatchers' own processes; 0: none does."""

    def __reduce__(self) -> tuple[Any, ...]:
        """How it travels to another process. Ray's pickler takes 2 s over the many small values
        of 10,000 tasks, in which the controller could do nothing else; packing them takes 0.3."""
        rest = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "registry"}
        return _arrived, (self.registry.version, pack(self.registry), rest)

    def state(self, entry: PathwayEntry) -> str:
        """Where a pathway is: `unavailable`, `resident` (in a slot), `local` (in every dispatcher
        that wants it) or `dormant`."""
        if entry.id.task in self.unavailable:
            return "unavailable"
        if entry.id in self.slots:
            return "resident"
        return "local" if entry.spec.active_parameters <= self.small else "dormant"

    def plot(self, axes: Any = None) -> Any:
        """Draw tasks and links; see plotting.plot_network."""
        from cluster.plotting import plot_network

        return plot_network(self, axes)


def _arrived(version: int, registry: bytes, rest: dict[str, Any]) -> NetworkView:
    return NetworkView(registry=unpack(version, registry), **rest)


@dataclass(frozen=True, kw_only=True)
class NetworkActivity:
    """What ran since the controller started, summed over all dispatchers."""

    network_version: int
    activations: Mapping[str, int]
    """Task → inputs its pathway ran on; a task that never ran is left out."""
    rows: int
    """Inputs answered."""
    unknown: int
    """Those of them that were unlike everything learned and activated nothing."""
    resident: tuple[str, ...]
    """Pathways that are resident in slots now, for example `digits@1`."""


@dataclass(frozen=True, kw_only=True)
class Rollout:
    """How far a network runs the code that it should."""

    code: str
    """What the controller runs, as `cluster.code` names it."""
    process: int
    """Of the controller: its id."""
    slots: int
    outdated: int
    """Slots that run other code, and are being replaced."""


@dataclass(frozen=True, kw_only=True)
class Activation:
    """One pathway's part in an answer."""

    pathway: PathwayId
    weight: float
    """p(task | x) among the activated pathways, 0..1."""


@dataclass(frozen=True, kw_only=True)
class Value:
    """A number that the network tells of an input."""

    name: str
    value: float
    """Its mean."""
    deviation: float
    """Its standard deviation: the number lies within 1.64 of them in nine cases of ten."""
    weight: float
    """p(task | x) of the pathways that tell of it, 0..1."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The network's answer to one input."""

    probabilities: tuple[tuple[str, float], ...]
    """Label and probability, most probable first; empty if unknown, or if numbers alone are told.
    They add up to the weight of the pathways that tell labels."""
    activated: tuple[Activation, ...]
    """At most two; empty if unknown."""
    unknown: bool
    network_version: int
    notes: tuple[str, ...] = ()
    """How the input was converted, for example "RGB to grey"."""
    values: tuple[Value, ...] = ()
    """Numbers that the activated pathways tell, most probable first."""
    given: Input | None = field(default=None, compare=False, repr=False)
    """The input, where the Python client gives the answer; the first of a query of two."""

    def plot(self, axes: Sequence[Any] | None = None) -> Any:
        """Draw the labels beside the input; see plotting.plot_answer."""
        from cluster.plotting import plot_answer

        return plot_answer(self, self.given, axes)

    @property
    def label(self) -> str | None:
        """The most probable label, or None if the input fits no task that has labels."""
        return self.probabilities[0][0] if self.probabilities else None


@dataclass(frozen=True, kw_only=True)
class Verification:
    """Whether one task still is what was learned."""

    task: str
    pathway: PathwayId
    stored_intact: bool
    """Its weight file has the hash it was published with."""
    identical: bool
    """Its probe inputs give bit for bit the stored answers; in a slot on a GPU but for rounding,
    which `difference` then tells."""
    difference: float | None
    """Largest absolute difference of a probability; None if it could not be run."""
    error: str | None = None

    @property
    def ok(self) -> bool:
        return self.stored_intact and self.identical
