"""The description of one immutable pathway version, as it is stored beside its weights."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from pathways.errors import WeightsError
from pathways.ids import PathwayId
from pathways.signature import Signature
from pathways.transfer import Link

SPEC_FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class Training:
    """How a pathway was learned and what came of it."""

    examples: int
    shots: int | None
    """Examples a class it was allowed to see; None means all."""
    epochs: int
    seed: int
    train_accuracy: float
    """During the last epoch, 0..1; 0 if nothing was trained (zero-shot)."""
    held_out_accuracy: float | None
    """On the share of the data set aside, 0..1; None if there was too little to set aside."""
    held_out_examples: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class PathwaySpec:
    """Everything about a pathway but its weights."""

    id: PathwayId
    signature: Signature
    labels: tuple[str, ...]
    family: str
    options: dict[str, Any]
    source: PathwayId | None
    source_width: int
    """Hidden units read from the source; 0 without one."""
    links: tuple[Link, ...]
    parameters: int
    """Own weights, without the source's."""
    active_parameters: int
    """Weights that one prediction touches: own ones and the source's body."""
    weights_sha256: str
    training: Training

    def to_fields(self) -> dict[str, Any]:
        """The spec as plain values that JSON can hold."""
        return {
            **vars(self),
            "format": SPEC_FORMAT,
            "id": str(self.id),
            "signature": self.signature.key,
            "source": str(self.source) if self.source else None,
            "links": [vars(link) for link in self.links],
            "training": vars(self.training),
        }

    def to_json(self) -> str:
        """The spec as JSON text."""
        return json.dumps(self.to_fields(), indent=1, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> PathwaySpec:
        """Read what `to_json` wrote; raises WeightsError for anything else."""
        try:
            fields = json.loads(text)
        except ValueError as error:
            raise WeightsError(f"a pathway spec cannot be read: {error}") from error
        return cls.from_fields(fields)

    @classmethod
    def from_fields(cls, fields: Any) -> PathwaySpec:
        """Read what `to_fields` gave; raises WeightsError for anything else."""
        try:
            given = dict(fields)
            found = given.pop("format")
            if found != SPEC_FORMAT:
                raise WeightsError(
                    f"a pathway spec has format {found!r}, this version reads {SPEC_FORMAT}; "
                    "use the version of sen that wrote it"
                )
            return cls(**_typed(given))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            if isinstance(error, WeightsError):
                raise
            raise WeightsError(f"a pathway spec cannot be read: {error}") from error


def _typed(fields: dict[str, Any]) -> dict[str, Any]:
    fields["id"] = PathwayId.parse(fields["id"])
    fields["signature"] = Signature.parse(fields["signature"])
    fields["labels"] = tuple(fields["labels"])
    fields["source"] = PathwayId.parse(fields["source"]) if fields["source"] else None
    fields["links"] = tuple(Link(**link) for link in fields["links"])
    fields["training"] = Training(**fields["training"])
    return fields
