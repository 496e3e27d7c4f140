"""The registry: which pathways exist and which version of each task is current."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice

from immutables import Map

from cluster.errors import UnknownTask, VersionUnknown
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
class RegistryChange:
    """What makes one network version out of the one before."""

    publish: tuple[PathwayEntry, ...] = ()
    """Pathways that are new, and in service from now on."""
    serve: Mapping[str, int] = field(default_factory=dict)
    """Task → the version of it, published before, that is in service from now on."""
    drop: tuple[PathwayId, ...] = ()
    """Versions that are no more; a task all of whose versions are dropped is removed."""


@dataclass(frozen=True, kw_only=True)
class Registry:
    """The network as of one version. Immutable: `after` gives the next one.

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
    """Task → its place in the order of learning."""
    next_place: int = 0
    """Place of the next new task."""
    highest: Map[str, int] = field(default_factory=Map)
    """Task → the highest version it ever had, removed ones too: no id is used twice."""
    signatures: Map[str, Signature] = field(default_factory=Map)
    """Key → signature of every task; it is the same in all versions of a task."""
    parameters: int = 0
    """Weights of all pathways in service."""

    def publish(self, entries: Iterable[PathwayEntry]) -> Registry:
        """The next network version, with `entries` in service."""
        return self.after(RegistryChange(publish=tuple(entries)))

    def after(self, change: RegistryChange) -> Registry:
        """The next network version."""
        pathways, current = self.pathways.mutate(), self.current.mutate()
        places, highest = self.places.mutate(), self.highest.mutate()
        signatures, next_place = self.signatures.mutate(), self.next_place
        parameters = self.parameters
        for entry in change.publish:
            task = entry.id.task
            pathways[entry.id] = entry
            highest[task] = max(highest.get(task, 0), entry.id.version)
            signatures[entry.spec.signature.key] = entry.spec.signature
        served = {entry.id.task: entry.id.version for entry in change.publish}
        for task, version in {**served, **change.serve}.items():
            if task in current:
                parameters -= pathways[PathwayId(task, current[task])].spec.parameters
            else:
                places[task], next_place = next_place, next_place + 1
            parameters += pathways[PathwayId(task, version)].spec.parameters
            current[task] = version
        for id in change.drop:
            if current.get(id.task) == id.version:
                parameters -= pathways[id].spec.parameters
                del current[id.task], places[id.task]
            del pathways[id]
        following = Registry(
            version=self.version + 1,
            pathways=pathways.finish(),
            current=current.finish(),
            places=places.finish(),
            next_place=next_place,
            highest=highest.finish(),
            signatures=signatures.finish(),
            parameters=parameters,
        )
        return following._without_idle_signatures() if change.drop else following

    def _without_idle_signatures(self) -> Registry:
        """Only signatures that a task in service has; looks at all of them."""
        used = {entry.spec.signature.key: entry.spec.signature for entry in self.entries()}
        return replace(self, signatures=Map(used))

    def next_version(self, task: str) -> int:
        """The number of a task's next version; 1 for a task that never was."""
        return self.highest.get(task, 0) + 1

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
        """Every version of a task that can be served, oldest first."""
        ids = (PathwayId(task, version) for version in range(1, self.next_version(task)))
        return [self.pathways[id] for id in ids if id in self.pathways]

    def version_before(self, task: str) -> PathwayEntry:
        """What a task was before its version in service was made; raises UnknownTask or
        VersionUnknown."""
        entry = self.entry(task)
        revision = entry.spec.revision
        if revision is None or revision.of not in self.pathways:
            raise VersionUnknown(
                f"{entry.id} has no earlier version; known versions of {task}: {self._listed(task)}"
            )
        return self.pathways[revision.of]

    def version_of(self, task: str, version: int) -> PathwayEntry:
        """One version of a task; raises UnknownTask or VersionUnknown."""
        self.entry(task)
        found = self.pathways.get(PathwayId(task, version))
        if found is None:
            raise VersionUnknown(
                f"task {task} has no version {version}; it has {self._listed(task)}"
            )
        return found

    def _listed(self, task: str) -> str:
        return ", ".join(str(entry.id.version) for entry in self.versions(task))

    def readers_of(self, task: str) -> list[PathwayEntry]:
        """Pathways of other tasks that read hidden units of one of this task's; looks at all."""
        return [
            entry
            for entry in self.pathways.values()
            if entry.spec.source is not None
            and entry.spec.source.task == task
            and entry.id.task != task
        ]

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
