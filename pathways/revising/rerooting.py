"""Making a pathway independent of its source, so that the source can be removed."""

from __future__ import annotations

from dataclasses import replace

from pathways.errors import DataError
from pathways.frozen import FrozenPathway, StoredPathway, adopted_tensors, load_body
from pathways.ids import PathwayId
from pathways.model import parameter_count
from pathways.spec import Adopted, Fact, Revision
from pathways.weights import pack, sha256


def reroot(stored: StoredPathway, source: StoredPathway, version: int) -> StoredPathway:
    """A version that gives the same answers bit for bit and needs no source.

    What its links read, the source's body, is copied into its own weight file. Raises DataError if
    it has no source, WeightsError if `source` is another or a file is damaged.
    """
    if stored.spec.source is None:
        raise DataError(f"{stored.spec.id} reads no source, so there is nothing to copy")
    FrozenPathway.load(stored, source)  # refuses another source, and what does not fit
    body = load_body(source)
    weights = pack({**stored.tensors(), **adopted_tensors(body)})
    copied = parameter_count(body)
    facts: dict[str, Fact] = {"source": str(source.spec.id), "copied_parameters": copied}
    spec = replace(
        stored.spec,
        id=PathwayId(stored.spec.id.task, version),
        source=None,
        adopted=Adopted(
            family=source.spec.family, options=dict(source.spec.options), of=source.spec.id
        ),
        parameters=stored.spec.parameters + copied,
        weights_sha256=sha256(weights),
        revision=Revision(kind="rerooted", of=stored.spec.id, facts=facts),
    )
    return StoredPathway(spec=spec, weights=weights)
