"""What HTTP says and hears: pydantic models, used at this edge only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from cluster.messages import Answer, NetworkView
from cluster.registry import PathwayEntry, Registry


class PredictBody(BaseModel):
    """A batch as JSON."""

    model_config = ConfigDict(extra="forbid")

    inputs: list[Any] = Field(
        description="Images [n][height][width] or [n][height][width][channels] with integers in "
        "0..255 or floats in 0..1; or sounds [n][samples] with floats in -1..1 and rate_hz",
        min_length=1,
    )
    rate_hz: int = Field(0, ge=0, description="Samples a second, if the inputs are sounds")


class LabelProbability(BaseModel):
    label: str
    probability: float


class Activated(BaseModel):
    pathway: str = Field(description="task@version", examples=["digits@1"])
    weight: float = Field(description="p(task | x) among the activated pathways")


class Prediction(BaseModel):
    """The network's answer to one input."""

    label: str | None = Field(description="Most probable label; null if the input is unknown")
    probability: float | None
    unknown: bool = Field(description="The input is unlike everything learned")
    probabilities: list[LabelProbability] = Field(description="Most probable first")
    pathways: list[Activated] = Field(description="At most two")
    active_share: float = Field(description="Share of all weights that were used, 0..1")
    notes: list[str] = Field(description="How the input was converted")


class PredictReply(BaseModel):
    network_version: int
    predictions: list[Prediction]


class LinkInfo(BaseModel):
    source_label: str
    target_label: str
    similarity: float


class TaskInfo(BaseModel):
    """One task in service."""

    task: str
    version: int
    state: str = Field(description="resident, dormant or unavailable")
    reason: str | None = Field(description="Why it is unavailable")
    signature: str
    labels: list[str]
    family: str
    parameters: int
    active_share: float
    source: str | None = Field(description="Pathway it has links from")
    links: list[LinkInfo]
    examples: int
    held_out_accuracy: float | None
    learned_at: str


class TasksReply(BaseModel):
    network_version: int
    tasks: list[TaskInfo]


class SlotInfo(BaseModel):
    slot: int
    pathways: list[str]


class NetworkReply(BaseModel):
    network_version: int
    tasks: int
    parameters: int
    max_active_pathways: int
    mean_active_share: float | None
    links: int
    slots: list[SlotInfo]
    dormant: list[str]
    unavailable: dict[str, str]


class Problem(BaseModel):
    """An error, after RFC 9457."""

    title: str
    status: int
    detail: str


def predict_reply(answers: Sequence[Answer], registry: Registry, top: int) -> PredictReply:
    """Answers as HTTP gives them, each with its `top` most probable labels."""
    return PredictReply(
        network_version=registry.version,
        predictions=[_prediction(answer, registry, top) for answer in answers],
    )


def _prediction(answer: Answer, registry: Registry, top: int) -> Prediction:
    best = answer.probabilities[0] if answer.probabilities else (None, None)
    return Prediction(
        label=best[0],
        probability=best[1],
        unknown=answer.unknown,
        probabilities=[
            LabelProbability(label=label, probability=p) for label, p in answer.probabilities[:top]
        ],
        pathways=[Activated(pathway=str(a.pathway), weight=a.weight) for a in answer.activated],
        active_share=registry.active_share(a.pathway for a in answer.activated),
        notes=list(answer.notes),
    )


def tasks_reply(view: NetworkView) -> TasksReply:
    """The tasks in service, in the order of learning."""
    entries = view.registry.entries()
    return TasksReply(
        network_version=view.registry.version, tasks=[_task(view, entry) for entry in entries]
    )


def _task(view: NetworkView, entry: PathwayEntry) -> TaskInfo:
    spec, reason = entry.spec, view.unavailable.get(entry.id.task)
    state = "unavailable" if reason else "resident" if entry.id in view.slots else "dormant"
    return TaskInfo(
        task=entry.id.task,
        version=entry.id.version,
        state=state,
        reason=reason,
        signature=spec.signature.key,
        labels=list(spec.labels),
        family=spec.family,
        parameters=spec.parameters,
        active_share=view.registry.active_share([entry.id]),
        source=str(spec.source) if spec.source else None,
        links=_links(view.registry, entry),
        examples=spec.training.examples,
        held_out_accuracy=spec.training.held_out_accuracy,
        learned_at=entry.learned_at,
    )


def _links(registry: Registry, entry: PathwayEntry) -> list[LinkInfo]:
    source = registry.source_of(entry)
    if source is None:
        return []
    return [
        LinkInfo(
            source_label=source.spec.labels[link.source_class],
            target_label=entry.spec.labels[link.target_class],
            similarity=link.similarity,
        )
        for link in entry.spec.links
    ]


def network_reply(view: NetworkView, max_active: int) -> NetworkReply:
    """The network at a glance."""
    entries = view.registry.entries()
    shares = [view.registry.active_share([entry.id]) for entry in entries]
    held: dict[int, list[str]] = {}
    for pathway, slot in sorted(view.slots.items()):
        held.setdefault(slot, []).append(str(pathway))
    return NetworkReply(
        network_version=view.registry.version,
        tasks=len(entries),
        parameters=sum(entry.spec.parameters for entry in entries),
        max_active_pathways=max_active,
        mean_active_share=sum(shares) / len(shares) if shares else None,
        links=sum(len(entry.spec.links) for entry in entries),
        slots=[SlotInfo(slot=slot, pathways=names) for slot, names in sorted(held.items())],
        dormant=[str(e.id) for e in entries if e.id not in view.slots],
        unavailable=dict(view.unavailable),
    )
