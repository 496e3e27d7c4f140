"""The description of one immutable pathway version, as it is stored beside its weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pathways.concepts import plain_name
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
    held_out_share: float = 0.1
    """What was set aside; with the same data, seed and share the same examples are again."""


Fact = float | int | str


@dataclass(frozen=True, kw_only=True)
class Revision:
    """How a version came of an earlier one of its task."""

    kind: str
    """What was done: `improved`, `pruned`, `shared` or `rerooted`."""
    of: PathwayId
    """The version it came of, which stays as it is."""
    facts: Mapping[str, Fact] = field(default_factory=dict)
    """What was measured, by name, for example `accuracy_before`."""


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
    revision: Revision | None = None
    """None of the first version, which was learned from nothing or over a link."""
    concepts: tuple[str, ...] = ()
    """What each label stands for, in full (see concepts.py); left out: the label itself."""
    namespace: str = ""
    """In which tasks join where their concepts are equal."""

    def __post_init__(self) -> None:
        if not self.concepts:
            object.__setattr__(self, "concepts", self.labels)

    @property
    def shown(self) -> tuple[str, ...]:
        """What each label is called in answers: the name of its concept."""
        return tuple(plain_name(concept, self.namespace) for concept in self.concepts)

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
            "revision": _revision_fields(self.revision) if self.revision else None,
            "concepts": self.concepts if self.concepts != self.labels else None,
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
    fields["concepts"] = tuple(fields.get("concepts") or ())
    if revision := fields.get("revision"):  # absent from specs of earlier releases
        of = PathwayId.parse(revision["of"])
        fields["revision"] = Revision(kind=revision["kind"], of=of, facts=dict(revision["facts"]))
    return fields


def _revision_fields(revision: Revision) -> dict[str, Any]:
    return {"kind": revision.kind, "of": str(revision.of), "facts": dict(revision.facts)}
