"""Proof that nothing was forgotten: stored bytes against hashes, probe answers bit for bit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import ray

from cluster.bodies import read_pathway
from cluster.code import leave_if_outdated
from cluster.errors import SenError
from cluster.messages import Verification
from cluster.registry import PathwayEntry
from cluster.store import Store
from pathways import FrozenPathway, PathwayId, PathwaysError
from pathways.frozen import ProbeResult


@ray.remote(num_cpus=0)
def verify_stored(
    store_uri: str, entries: Sequence[PathwayEntry], lenders: Sequence[PathwayEntry | None]
) -> list[Verification]:
    """Load every pathway from the store in a fresh process and run its probes."""
    leave_if_outdated()
    store = Store.open(store_uri)
    return [verify_entry(store, e, s) for e, s in zip(entries, lenders, strict=True)]


def verify_entry(store: Store, entry: PathwayEntry, source: PathwayEntry | None) -> Verification:
    """Check one pathway as it is stored."""
    try:
        stored = read_pathway(store, entry)
        stored.tensors()
        lender = read_pathway(store, source) if source else None
        result = FrozenPathway.load(stored, lender).verify()
    except (PathwaysError, SenError) as error:
        return Verification(
            task=entry.id.task,
            pathway=entry.id,
            stored_intact=False,
            identical=False,
            difference=None,
            error=str(error),
        )
    return Verification(
        task=entry.id.task,
        pathway=entry.id,
        stored_intact=True,
        identical=result.identical,
        difference=result.difference,
    )


def with_residents(
    stored: Sequence[Verification],
    probed: Iterable[tuple[PathwayId, ProbeResult | BaseException]],
) -> list[Verification]:
    """Add what the resident copies answered; a copy that differs makes the task differ."""
    found = {verification.pathway: verification for verification in stored}
    for pathway, resident in probed:
        found[pathway] = _combined(found[pathway], resident)
    return list(found.values())


def _combined(verification: Verification, resident: ProbeResult | BaseException) -> Verification:
    if verification.difference is None:
        return verification
    if isinstance(resident, BaseException):
        return replace(verification, identical=False, error=f"its slot: {resident}")
    return replace(
        verification,
        identical=verification.identical and resident.unchanged,
        difference=max(verification.difference, resident.difference),
    )
