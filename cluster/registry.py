"""The registry: which pathways exist and which version of each task is current."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import count, islice, takewhile

from immutables import Map

from cluster.errors import UnknownTask
from cluster.names import parse_request_id
from pathways import PathwayId, PathwaySpec, Signature

NAMED = 10
"""Tasks that an error names at most."""


@dataclass(frozen=True, kw_only=True)
class PathwayEntry:
    """One published pathway version and where its files are."""

    spec: PathwaySpec
    weights_path: str
    statistics_path: str
    statistics_sha256: str
    request: str
    """Id of the expansion that made it."""
    learned_at: str
    """UTC time of the commit, ISO 8601."""

    @property
    def id(self) -> PathwayId:
        return self.spec.id


@dataclass(frozen=True, kw_only=True)
class Registry:
    """The network as of one version. Immutable: `publish` gives the next one.

    The maps are persistent: the next version shares all but a few nodes with this one, so that
    publishing costs the same with 10,000 tasks as with ten. They keep no order.
    """

    version: int = 0
    """Network version; grows by one with every published change."""
    pathways: Map[PathwayId, PathwayEntry] = field(default_factory=Map)
    """Every version of every task that was ever published."""
    current: Map[str, int] = field(default_factory=Map)
    """Task → version in service."""
    places: Map[str, int] = field(default_factory=Map)
    """Task → its place in the order of learning, from 0."""
    signatures: Map[str, Signature] = field(default_factory=Map)
    """Key → signature of every task; it is the same in all versions of a task."""
    parameters: int = 0
    """Weights of all pathways in service."""

    def publish(self, entries: Iterable[PathwayEntry]) -> Registry:
        """The next network version, with `entries` in service."""
        pathways, current = self.pathways.mutate(), self.current.mutate()
        places, signatures = self.places.mutate(), self.signatures.mutate()
        parameters = self.parameters
        for entry in entries:
            task, signature = entry.id.task, entry.spec.signature
            if task in current:
                parameters -= pathways[PathwayId(task, current[task])].spec.parameters
            else:
                places[task] = len(places)
            parameters += entry.spec.parameters
            pathways[entry.id] = entry
            current[task] = entry.id.version
            signatures[signature.key] = signature
        return Registry(
            version=self.version + 1,
            pathways=pathways.finish(),
            current=current.finish(),
            places=places.finish(),
            signatures=signatures.finish(),
            parameters=parameters,
        )

    def entry(self, task: str) -> PathwayEntry:
        """The pathway in service for a task; raises UnknownTask."""
        if task not in self.current:
            raise UnknownTask(f"no task is called {task!r}; known tasks: {self._known()}")
        return self.pathways[PathwayId(task, self.current[task])]

    def _known(self) -> str:
        """Some tasks by name, for people: not all of thousands."""
        named = ", ".join(sorted(islice(self.current, NAMED), key=self.places.__getitem__))
        more = len(self.current) - NAMED
        return f"{named}, … and {more:,} more" if more > 0 else named or "none yet"

    def entries(self) -> list[PathwayEntry]:
        """The pathways in service, in the order of learning; sorted anew at every call."""
        tasks = sorted(self.current, key=self.places.__getitem__)
        return [self.pathways[PathwayId(task, self.current[task])] for task in tasks]

    def versions(self, task: str) -> list[PathwayEntry]:
        """Every version of a task that was published, oldest first."""
        numbered = (self.pathways.get(PathwayId(task, number)) for number in count(1))
        return [entry for entry in takewhile(bool, numbered) if entry]

    def made_by(self, request: str) -> PathwayEntry | None:
        """The pathway that an expansion made and that is in service, by the expansion's id."""
        parsed = parse_request_id(request)
        if parsed is None or parsed[1] not in self.current:
            return None
        entry = self.entry(parsed[1])
        return entry if entry.request == request else None

    def active_share(self, activated: Iterable[PathwayId]) -> float:
        """Share of all weights in service that these pathways touch together, 0..1 (§4.6).

        A source's body counts once, whoever reads it.
        """
        ids = set(activated)
        touched = sum(self.pathways[id].spec.parameters for id in ids)
        lent = {
            spec.source: spec.active_parameters - spec.parameters
            for spec in (self.pathways[id].spec for id in ids)
            if spec.source is not None and spec.source not in ids
        }
        return (touched + sum(lent.values())) / self.parameters

    def source_of(self, entry: PathwayEntry) -> PathwayEntry | None:
        """The pathway that `entry` has links from, if any."""
        return self.pathways[entry.spec.source] if entry.spec.source else None
