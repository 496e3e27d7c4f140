"""Loading pathways into one process, where those joined by a link share the source's body.

A source's body is held once: by the source, if it is loaded, and by every pathway with links from
it. It goes with the last of them.
"""

from __future__ import annotations

import logging
from weakref import WeakValueDictionary

import torch

from cluster.registry import PathwayEntry
from cluster.store import Store
from pathways import FamilyError, FrozenPathway, PathwayId, StoredPathway
from pathways.device import CPU, on_device
from pathways.families import Body
from pathways.frozen import load_body

logger = logging.getLogger(__name__)


def read_pathway(store: Store, entry: PathwayEntry) -> StoredPathway:
    """A pathway's spec and weight bytes from the store."""
    return StoredPathway(spec=entry.spec, weights=store.read(entry.weights_path))


class Bodies:
    """Makes pathways from what is stored. May be used from several threads."""

    def __init__(self, store: Store, device: torch.device = CPU) -> None:
        self._store = store
        self._device = device
        self._held: WeakValueDictionary[tuple[PathwayId, torch.device], Body] = (
            WeakValueDictionary()
        )
        self._checked: set[str] = set()
        # Weight files whose hash was compared; they never change, so once is enough.

    def load(self, entry: PathwayEntry, source: PathwayEntry | None) -> FrozenPathway:
        """A pathway with its source's body; raises WeightsError or StoreError.

        On a GPU it must answer its probes as it is stored to, but for rounding. One that does not,
        or has no room there, computes on the CPU.
        """
        if self._device == CPU:
            return self._load(entry, source, CPU)
        try:
            loaded = self._load(entry, source, self._device)
            probed = loaded.verify()
        except (RuntimeError, FamilyError) as error:  # out of its memory, or cannot compute there
            logger.warning("%s computes on the CPU, not %s: %s", entry.id, self._device, error)
            return self._load(entry, source, CPU)
        if probed.unchanged:
            return loaded
        logger.warning(
            "%s computes on the CPU: on %s its answers differ by %.2g",
            entry.id,
            self._device,
            probed.difference,
        )
        return self._load(entry, source, CPU)

    def _load(
        self, entry: PathwayEntry, source: PathwayEntry | None, device: torch.device
    ) -> FrozenPathway:
        lent = self._lent(source, device) if source else None
        loaded = FrozenPathway.load(
            read_pathway(self._store, entry), lent, checked=self._is_checked(entry), device=device
        )
        self._checked.add(entry.spec.weights_sha256)
        key = (entry.id, loaded.device)
        if (body := self._held.get(key)) is not None:
            loaded.share_body(body)
        self._held[key] = loaded.model.body
        return loaded

    def _lent(self, source: PathwayEntry, device: torch.device) -> Body:
        key = (source.id, device)
        held = self._held.get(key)
        if held is None:
            stored = read_pathway(self._store, source)
            held = on_device(load_body(stored, checked=self._is_checked(source)), device)
            self._checked.add(source.spec.weights_sha256)
            self._held[key] = held
        return held

    def _is_checked(self, entry: PathwayEntry) -> bool:
        return entry.spec.weights_sha256 in self._checked
