"""The description of one immutable pathway version, as it is stored beside its weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pathways.errors import WeightsError
from pathways.ids import PathwayId
from pathways.outputs import Output
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
    """During the last epoch, 0..1; 0 if nothing was trained (zero-shot). Of a number R²."""
    held_out_accuracy: float | None
    """On the share of the data set aside, 0..1; None if there was too little to set aside, and of
    a number."""
    held_out_examples: int
    seconds: float
    held_out_share: float = 0.1
    """What was set aside; with the same data, seed and share the same examples are again."""
    remark: str | None = None
    """Why no link was made, where an earlier task is alike."""
    held_out_r2: float | None = None
    """Of a number, on what was set aside: share of its variance that is explained, at most 1."""
    held_out_rmse: float | None = None
    """Of a number: root of the mean squared error, in its own unit."""
    held_out_coverage: float | None = None
    """Of a number: share of what was set aside that lies in the interval told to hold 90 %."""


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
class Adopted:
    """A copy of a former source's body in the pathway's own weight file."""

    family: str
    options: dict[str, Any]
    of: PathwayId
    """Whose body it is a copy of; that pathway may be gone."""


@dataclass(frozen=True, kw_only=True)
class PathwaySpec:
    """Everything about a pathway but its weights."""

    id: PathwayId
    signature: Signature
    labels: tuple[str, ...]
    """Class names in order; of a number, what it is called."""
    family: str
    options: dict[str, Any]
    source: PathwayId | None
    source_width: int
    """Hidden units read from the source or the adopted body; 0 without either."""
    links: tuple[Link, ...]
    parameters: int
    """Own weights, an adopted body's among them, without the source's."""
    active_parameters: int
    """Weights that one prediction touches: own ones and the source's body."""
    weights_sha256: str
    training: Training
    revision: Revision | None = None
    """None of the first version, which was learned from nothing or over a link."""
    adopted: Adopted | None = None
    """The body the links read in the place of a source's: such a pathway depends on nobody."""
    output: Output = "classes"
    """Whether it answers with probabilities of its labels, or with a number of that name."""

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
            "revision": _with_plain_id(self.revision) if self.revision else None,
            "adopted": _with_plain_id(self.adopted) if self.adopted else None,
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
    # Both are absent from specs of earlier releases.
    if revision := fields.get("revision"):
        fields["revision"] = Revision(**{**revision, "of": PathwayId.parse(revision["of"])})
    if adopted := fields.get("adopted"):
        fields["adopted"] = Adopted(**{**adopted, "of": PathwayId.parse(adopted["of"])})
    return fields


def _with_plain_id(part: Revision | Adopted) -> dict[str, Any]:
    return {**vars(part), "of": str(part.of)}
