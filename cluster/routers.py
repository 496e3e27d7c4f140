"""The routers of a network, one a signature, learned from statistics in the store.

A whole router is solved when it has grown by a share, or when nothing else is to do; until then a
new task is an extension: computed at constant cost, and sent to replicas as it is.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field

from cluster.errors import StoreDamagedError
from cluster.registry import PathwayEntry, Registry
from cluster.router_files import RouterFiles, read_statistics
from cluster.store import Store
from dispatcher import DispatcherError, Router, Snapshot
from dispatcher.arrays import Arrays

logger = logging.getLogger(__name__)

_GROWTH = 0.05
"""Share of tasks that may be extensions: the cost of solving is then that of some tasks each."""

_SAVED_GROWTH, _WORTH_SAVING = 0.25, 64
"""Share of tasks, and tasks, that may have to be read one by one at a start."""


@dataclass(frozen=True, kw_only=True)
class RouterNews:
    """A router's arrays anew, or those of what was added to it."""

    whole: Arrays | None = None
    extension: Arrays | None = None


@dataclass(eq=False)
class _Signature:
    """The router of one signature."""

    router: Router
    new: list[str] = field(default_factory=list)
    """Tasks that no snapshot has yet."""
    extended: int = 0
    """Tasks that came as extensions since the last whole snapshot."""
    saved: int = 0
    """Tasks in the newest file."""
    solved: bool = False
    """Whether there is a whole snapshot to extend; a router that was read from a file has none."""


class Routers:
    """Adds tasks to the router of their signature."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._files = RouterFiles(store)
        self._signatures: dict[str, _Signature] = {}
        self._entries: dict[str, PathwayEntry] = {}

    def load(self, registry: Registry) -> dict[str, str]:
        """Start from files of whole routers and the statistics of later tasks.

        Returns the tasks that cannot be routed to, with the reason.
        """
        entries = registry.entries()
        for key in registry.signatures:
            of_key = [entry for entry in entries if entry.spec.signature.key == key]
            found = self._files.newest(key, of_key)
            if found is not None:
                self._signatures[key] = _Signature(found, saved=len(found))
        return self.learn(entries)

    def learn(self, entries: Iterable[PathwayEntry]) -> dict[str, str]:
        """Add tasks that are not there yet; returns those that cannot be, with the reason."""
        refused = {}
        for entry in entries:
            try:
                self.add(entry)
            except (StoreDamagedError, DispatcherError) as error:
                refused[entry.id.task] = str(error)
        return refused

    def add(self, entry: PathwayEntry) -> str:
        """Add a task, unless it is there already; returns the key of its signature.

        Raises StoreDamagedError or RouterError if its statistics cannot be used.
        """
        key, task = entry.spec.signature.key, entry.id.task
        signature = self._signatures.get(key)
        if signature is None or task not in signature.router:
            statistics = read_statistics(self._store, entry)
            if signature is None:
                signature = self._signatures[key] = _Signature(Router(statistics.dim))
            signature.router.add(task, statistics)
            signature.new.append(task)
        self._entries[task] = entry
        return key

    def remove(self, entry: PathwayEntry, remaining: Registry) -> dict[str, str]:
        """Forget a task: its sums are subtracted. If its statistics are damaged, the router is made
        anew from those of the `remaining` tasks.

        Returns the tasks that cannot be routed to for that, with the reason.
        """
        key, task = entry.spec.signature.key, entry.id.task
        self._entries.pop(task, None)
        signature = self._signatures.get(key)
        if signature is None or task not in signature.router:
            return {}
        if len(signature.router) == 1:
            del self._signatures[key]
            return {}
        signature.new = [new for new in signature.new if new != task]
        signature.saved, signature.solved = 0, False  # files that hold it will not be read again
        try:
            signature.router.remove(task, read_statistics(self._store, entry))
        except (StoreDamagedError, DispatcherError) as error:
            logger.warning("the router of %s is made anew without %s: %s", key, task, error)
            del self._signatures[key]
            return self.learn(e for e in remaining.entries() if e.spec.signature.key == key)
        return {}

    def likeness(self, k: int) -> dict[str, list[tuple[str, float]]]:
        """For each task the k others of its signature that it looks most like; see
        Router.likeness."""
        found: dict[str, list[tuple[str, float]]] = {}
        for signature in self._signatures.values():
            found |= signature.router.likeness(k)
        return found

    def news(self) -> dict[str, RouterNews]:
        """What the snapshots told so far lack, by signature key."""
        return {key: _news(s) for key, s in self._signatures.items() if s.new or not s.solved}

    def settle(self) -> dict[str, RouterNews]:
        """Whole routers in place of extended ones: for when nothing else is to do."""
        extended = {key: s for key, s in self._signatures.items() if s.extended}
        return {key: RouterNews(whole=_solved(s).to_arrays()) for key, s in extended.items()}

    def save(self, version: int, eagerly: bool) -> None:
        """Write whole routers that have grown since they were written last, as of network
        `version`; eagerly: not only by a large share. Raises StoreError."""
        for key, signature in self._signatures.items():
            unsaved, share = (
                len(signature.router) - signature.saved,
                0 if eagerly else _SAVED_GROWTH,
            )
            if unsaved > max(share * len(signature.router), _WORTH_SAVING):
                self._files.save(key, version, signature.router, self._entries)
                signature.saved = len(signature.router)

    def solve(self, key: str) -> Snapshot:
        """The whole router of a signature."""
        return _solved(self._signatures[key])


def _solved(signature: _Signature) -> Snapshot:
    signature.extended, signature.new, signature.solved = 0, [], True
    return signature.router.solve()


def _news(signature: _Signature) -> RouterNews:
    extended = signature.extended + len(signature.new)
    if not signature.solved or extended > _GROWTH * len(signature.router):
        return RouterNews(whole=_solved(signature).to_arrays())
    part = signature.router.extend(signature.new)
    signature.extended, signature.new = extended, []
    return RouterNews(extension=part.to_arrays())
