"""What `/v1` says and hears about learning: pydantic models, used at this edge only."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from cluster.messages import ExpansionStatus, Stage, Verification
from cluster.registry import PathwayEntry, Registry
from deploy.v1.examples import ExamplesBody
from pathways import LearnConfig, TrainConfig
from pathways.pairing import PairConfig

TARGET = "Column with the number to predict; classes are learned if left out"

_MOST_EPOCHS = 10_000
_MOST_AGREEMENT = 1000.0
_MOST_SEED = 2**53 - 1  # what every JSON library carries exactly


class LearnOptions(BaseModel):
    """How a task is learned; what is left out takes the default."""

    model_config = ConfigDict(extra="forbid")

    family: str | None = Field(
        default=None,
        description="Of images mlp (default), cnn or torchvision; of sounds melcnn (default) or "
        "lstm; of tables mlp; of text bag; of all but text svm or forest; or "
        "package.module:Class, where the setting expansion.modules allows it",
    )
    family_options: dict[str, Any] = Field(
        default_factory=dict, description="Options of the family, or arguments of the class"
    )
    shots: int | None = Field(
        default=None,
        ge=0,
        description="Examples a class to learn from; 0: links only; default: all",
    )
    epochs: int = Field(default=10, ge=1, le=_MOST_EPOCHS, description="Passes over the data")
    augment: bool = Field(
        default=False, description="Change every example a little each time it is seen"
    )
    mixed_precision: bool = Field(
        default=False, description="Train in bfloat16: fast where processors have it"
    )
    threshold: float = Field(
        default=0.7, gt=0, le=1, description="Mean probability that makes a link"
    )
    seed: int = Field(default=0, ge=0, le=_MOST_SEED, description="Of weights and order")
    concepts: dict[str, str] = Field(
        default={},
        description="Label → concept of another task that it stands for; others are their own",
        examples=[{"seven": "7"}],
    )
    namespace: str = Field(
        default="", description="Tasks of one namespace join where their concepts are equal"
    )
    share_with: str | None = Field(
        default=None,
        description="A known task whose units are trained too (graceful forgetting); takes data of "
        "that task as `shared` files or shared_path",
    )
    forget_budget: float = Field(
        default=0.02, gt=0, lt=1, description="Most that task may lose, as a share of its examples"
    )

    def config(self) -> LearnConfig:
        """The same for `pathways`."""
        return LearnConfig(
            family=self.family,
            options=self.family_options,
            shots=self.shots,
            threshold=self.threshold,
            seed=self.seed,
            concepts=self.concepts,
            namespace=self.namespace,
            train=TrainConfig(
                epochs=self.epochs,
                augment=self.augment,
                mixed_precision=self.mixed_precision,
            ),
        )


class LearnBody(ExamplesBody):
    """A task whose data lie where the replicas can read them."""

    task: str = Field(examples=["digits"])
    shared_path: str | None = Field(
        default=None, description="Data of the task that units are shared with"
    )
    weights_path: str | None = Field(
        default=None, description="Safetensors file that the family starts from"
    )
    target: str | None = Field(default=None, description=TARGET)
    options: LearnOptions = LearnOptions()


class LearnForm(BaseModel):
    """A task whose data are uploaded."""

    task: str = Field(examples=["digits"])
    options: str = Field(default="{}", description="LearnOptions as JSON text")
    target: str | None = Field(default=None, description=TARGET)
    file: list[bytes] = Field(
        description="One .npz, .parquet, .csv or .zip of class folders; or images or sounds, each "
        "with `class/name.png` as its file name",
        json_schema_extra={"items": {"type": "string", "format": "binary"}},
    )
    shared: list[bytes] = Field(
        default=[],
        description="The same for the task that units are shared with",
        json_schema_extra={"items": {"type": "string", "format": "binary"}},
    )
    weights: bytes = Field(default=b"", description="Safetensors file that the family starts from")


class PairOptions(BaseModel):
    """How two tasks are learned together; what is left out takes the default."""

    model_config = ConfigDict(extra="forbid")

    agreement: float = Field(
        default=PairConfig.agreement,
        ge=0,
        le=_MOST_AGREEMENT,
        description="Weight of the loss on pairs without labels beside that on labels; 0: off",
    )
    epochs: int = Field(default=10, ge=1, le=_MOST_EPOCHS, description="Passes over the data")
    seed: int = Field(default=0, ge=0, le=_MOST_SEED, description="Of weights and order")
    namespace: str = Field(
        default="", description="Tasks of one namespace join where their concepts are equal"
    )

    def config(self) -> LearnConfig:
        """How either task is learned."""
        train = TrainConfig(epochs=self.epochs)
        return LearnConfig(seed=self.seed, namespace=self.namespace, train=train)

    def pairing(self) -> PairConfig:
        """How they agree."""
        return PairConfig(agreement=self.agreement)


class PairBody(ExamplesBody):
    """Two tasks whose pairs lie where the replicas can read them."""

    first: str = Field(description="The task of images", examples=["digits"])
    second: str = Field(description="The task of sounds", examples=["spoken"])
    path: str = Field(description=".npz with x_image, x_sound, rate_hz, y and perhaps labels")
    options: PairOptions = PairOptions()


class PairForm(BaseModel):
    """Two tasks whose pairs are uploaded."""

    first: str = Field(description="The task of images", examples=["digits"])
    second: str = Field(description="The task of sounds", examples=["spoken"])
    options: str = Field(default="{}", description="PairOptions as JSON text")
    file: bytes = Field(
        description="One .npz with x_image, x_sound, rate_hz, y and perhaps labels",
        json_schema_extra={"type": "string", "format": "binary"},
    )


class Accepted(BaseModel):
    """An expansion that was taken in; from here on it is not lost."""

    expansion: str = Field(examples=["00000003-digits"])
    task: str
    status: str = Field(description="Where to ask for its status")
    events: str = Field(description="Where it tells its progress as server-sent events")
    notes: list[str] = Field(description="What was done to the data on the way")


class ExpansionInfo(BaseModel):
    """Where an expansion stands."""

    expansion: str
    task: str
    partner: str | None = Field(description="The task that is learned with it, of a pair")
    stage: Stage
    epoch: int
    epochs: int = Field(description="Planned; 0 until training starts")
    unit: str = Field(description="What epoch counts: of a fitted model its parts, such as tree")
    loss: float | None
    accuracy: float | None = Field(description="On the training data of the last epoch, 0..1")
    network_version: int | None = Field(description="The version that has the task, once learned")
    error: str | None
    outcome: str | None = Field(description="What came of a revision, in a sentence")


class ExpansionsReply(BaseModel):
    expansions: list[ExpansionInfo] = Field(
        description="Since the controller started, oldest first: all that have not ended, and the "
        "last 2,000 that have"
    )


class VersionInfo(BaseModel):
    """One immutable version of a task."""

    pathway: str = Field(examples=["digits@1"])
    version: int
    in_service: bool
    family: str
    parameters: int
    source: str | None = Field(description="Pathway it has links from")
    links: int
    examples: int
    held_out_accuracy: float | None
    held_out_r2: float | None = Field(description="In the place of the accuracy, of a number")
    weights_sha256: str
    learned_at: str
    revision: str | None = Field(description="What was done to make it of an earlier version")
    of: str | None = Field(description="That earlier version")
    facts: dict[str, float | int | str] = Field(description="What was measured when it was made")


class VersionsReply(BaseModel):
    task: str
    versions: list[VersionInfo] = Field(description="Oldest first")


class VerificationInfo(BaseModel):
    """Whether one task still is what was learned."""

    task: str
    pathway: str
    ok: bool
    stored_intact: bool = Field(description="Its weight file has the hash it was published with")
    identical: bool = Field(description="Its probe inputs give bit for bit the stored answers")
    difference: float | None = Field(description="Largest absolute difference of a probability")
    error: str | None


class VerifyReply(BaseModel):
    ok: bool = Field(description="All tasks are what was learned")
    tasks: list[VerificationInfo]


def expansion_info(status: ExpansionStatus) -> ExpansionInfo:
    """A status as HTTP gives it."""
    fields: dict[str, Any] = {**vars(status)}
    return ExpansionInfo(expansion=fields.pop("request"), **fields)


def versions_reply(registry: Registry, task: str) -> VersionsReply:
    """Every version of a task that was published; raises UnknownTask."""
    current = registry.entry(task).id
    versions = [_version(entry, entry.id == current) for entry in registry.versions(task)]
    return VersionsReply(task=task, versions=versions)


def _version(entry: PathwayEntry, in_service: bool) -> VersionInfo:
    spec, revision = entry.spec, entry.spec.revision
    return VersionInfo(
        pathway=str(entry.id),
        version=entry.id.version,
        in_service=in_service,
        family=spec.family,
        parameters=spec.parameters,
        source=str(spec.source) if spec.source else None,
        links=len(spec.links),
        examples=spec.training.examples,
        held_out_accuracy=spec.training.held_out_accuracy,
        held_out_r2=spec.training.held_out_r2,
        weights_sha256=spec.weights_sha256,
        learned_at=entry.learned_at,
        revision=revision.kind if revision else None,
        of=str(revision.of) if revision else None,
        facts=dict(revision.facts) if revision else {},
    )


def verify_reply(results: list[Verification]) -> VerifyReply:
    """What verifying found."""
    return VerifyReply(
        ok=all(result.ok for result in results),
        tasks=[
            VerificationInfo(**{**vars(r), "pathway": str(r.pathway)}, ok=r.ok) for r in results
        ],
    )
