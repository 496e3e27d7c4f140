"""Loading pathways into one process, where those joined by a link share the source's body.

A source's body is held once: by the source, if it is loaded, and by every pathway with links from
it. It goes with the last of them.
"""

from __future__ import annotations

from weakref import WeakValueDictionary

from cluster.registry import PathwayEntry
from cluster.store import Store
from pathways import FrozenPathway, PathwayId, StoredPathway
from pathways.families import Body
from pathways.frozen import load_body


def read_pathway(store: Store, entry: PathwayEntry) -> StoredPathway:
    """A pathway's spec and weight bytes from the store."""
    return StoredPathway(spec=entry.spec, weights=store.read(entry.weights_path))


class Bodies:
    """Makes pathways from what is stored. May be used from several threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._held: WeakValueDictionary[PathwayId, Body] = WeakValueDictionary()
        self._checked: set[str] = set()
        # Weight files whose hash was compared; they never change, so once is enough.

    def load(self, entry: PathwayEntry, source: PathwayEntry | None) -> FrozenPathway:
        """A pathway with its source's body; raises WeightsError or StoreError."""
        lent = self._lent(source) if source else None
        loaded = FrozenPathway.load(
            read_pathway(self._store, entry), lent, checked=self._is_checked(entry)
        )
        self._checked.add(entry.spec.weights_sha256)
        if (body := self._held.get(entry.id)) is not None:
            loaded.share_body(body)
        self._held[entry.id] = loaded.model.body
        return loaded

    def _lent(self, source: PathwayEntry) -> Body:
        held = self._held.get(source.id)
        if held is None:
            stored = read_pathway(self._store, source)
            held = load_body(stored, checked=self._is_checked(source))
            self._checked.add(source.spec.weights_sha256)
            self._held[source.id] = held
        return held

    def _is_checked(self, entry: PathwayEntry) -> bool:
        return entry.spec.weights_sha256 in self._checked
