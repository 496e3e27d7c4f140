"""What HTTP says and hears: pydantic models, used at this edge only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from cluster.messages import Answer, NetworkView
from cluster.registry import PathwayEntry, Registry
from pathways import Modality, PathwayId


class PredictQuery(BaseModel):
    """What the address of a request says."""

    task: Annotated[str | None, Field(description="Ask this task only")] = None
    top: Annotated[int, Field(ge=1, le=10_000, description="Labels to give")] = 5
    rate_hz: Annotated[int, Field(ge=0, description="An .npy body holds sounds")] = 0
    kind: Annotated[
        Modality | None,
        Field(description="What an .npy body holds; images, or with rate_hz sounds, if left out"),
    ] = None
    together: Annotated[
        bool, Field(description="The body is an image and a sound of the same thing: one answer")
    ] = False
    tasks: Annotated[
        str | None, Field(description="Together: ask these two", examples=["digits,spoken"])
    ] = None


class PredictBody(BaseModel):
    """A batch as JSON."""

    model_config = ConfigDict(extra="forbid")

    inputs: list[Any] = Field(
        description="Images [n][height][width] or [n][height][width][channels] with integers in "
        "0..255 or floats in 0..1; sounds [n][samples] with floats in -1..1 and rate_hz; rows of a "
        "table [n][columns] with kind table; or token ids [n][tokens] with kind text",
        min_length=1,
    )
    rate_hz: int = Field(0, ge=0, description="Samples a second, if the inputs are sounds")
    kind: Modality | None = Field(
        None, description="What the inputs are; images, or with rate_hz sounds, if left out"
    )


class TogetherBody(BaseModel):
    """An image and a sound of the same thing as JSON, or one of them."""

    model_config = ConfigDict(extra="forbid")

    image: list[Any] | None = Field(
        None, description="[height][width] or [height][width][channels], as in `inputs`"
    )
    sound: list[Any] | None = Field(None, description="[samples] in -1..1, with rate_hz")
    rate_hz: int = Field(0, ge=0, description="Samples a second of the sound")


class LabelProbability(BaseModel):
    label: str
    probability: float


class NumberValue(BaseModel):
    name: str = Field(examples=["price"])
    value: float = Field(description="Mean")
    deviation: float = Field(description="Standard deviation; 1.64 of them either way hold 90 %")
    weight: float = Field(description="p(task | x) of the pathways that tell it")


class Activated(BaseModel):
    pathway: str = Field(description="task@version", examples=["digits@1"])
    weight: float = Field(description="p(task | x) among the activated pathways")


class Prediction(BaseModel):
    """The network's answer to one input."""

    label: str | None = Field(
        description="Most probable label; null if the input is unknown, or has numbers alone"
    )
    probability: float | None
    unknown: bool = Field(description="The input is unlike everything learned")
    probabilities: list[LabelProbability] = Field(description="Most probable first")
    values: list[NumberValue] = Field(description="Numbers told of the input, most probable first")
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
    state: str = Field(description="resident, local, dormant or unavailable")
    reason: str | None = Field(description="Why it is unavailable")
    signature: str
    output: str = Field(description="classes or number")
    labels: list[str] = Field(description="Classes, or what the number is called")
    concepts: dict[str, str] = Field(
        description="Label → concept in full, of the labels that stand for another name"
    )
    family: str
    parameters: int
    active_share: float
    source: str | None = Field(description="Pathway it has links from")
    links: list[LinkInfo]
    remark: str | None = Field(description="Why it has no links though an earlier task is alike")
    examples: int
    held_out_accuracy: float | None
    held_out_r2: float | None = Field(
        description="Of a number: share of its variance on held-out examples that is explained"
    )
    held_out_rmse: float | None = Field(
        description="Of a number: root of the mean squared error on held-out examples, in its unit"
    )
    held_out_coverage: float | None = Field(
        description="Of a number: share of held-out examples in the interval told to hold 90 %"
    )
    learned_at: str


class TasksReply(BaseModel):
    network_version: int
    total: int = Field(description="Tasks in service, of which `tasks` may be a part")
    tasks: list[TaskInfo]


class SlotInfo(BaseModel):
    slot: int
    node: str = Field(description="Id of the node that the slot is on")
    pathways: list[str]


class NetworkReply(BaseModel):
    network_version: int
    tasks: int
    parameters: int
    max_active_pathways: int
    mean_active_share: float | None
    links: int
    slots: list[SlotInfo]
    local: list[str] = Field(description="Small pathways: every dispatcher holds its own")
    dormant: list[str]
    unavailable: dict[str, str]


def predict_reply(answers: Sequence[Answer], registry: Registry, top: int) -> PredictReply:
    """Answers as HTTP gives them, each with its `top` most probable labels."""
    return PredictReply.model_validate(predict_fields(answers, registry, top))


def predict_fields(answers: Sequence[Answer], registry: Registry, top: int) -> dict[str, Any]:
    """The fields of a PredictReply, without the cost of making one: for every request."""
    shares: dict[tuple[PathwayId, ...], float] = {}
    return {
        "network_version": registry.version,
        "predictions": [_prediction(answer, registry, top, shares) for answer in answers],
    }


def _prediction(
    answer: Answer, registry: Registry, top: int, shares: dict[tuple[PathwayId, ...], float]
) -> dict[str, Any]:
    """`shares`: active shares known from earlier answers; they cost a look at every task."""
    best = answer.probabilities[0] if answer.probabilities else (None, None)
    active = tuple(part.pathway for part in answer.activated)
    if active not in shares:
        shares[active] = registry.active_share(active)
    return {
        "label": best[0],
        "probability": best[1],
        "unknown": answer.unknown,
        "probabilities": [
            {"label": name, "probability": p} for name, p in answer.probabilities[:top]
        ],
        "values": [vars(value) for value in answer.values],
        "pathways": [{"pathway": str(a.pathway), "weight": a.weight} for a in answer.activated],
        "active_share": shares[active],
        "notes": answer.notes,
    }


def tasks_reply(view: NetworkView) -> TasksReply:
    """The tasks in service, in the order of learning."""
    return TasksReply.model_validate(tasks_fields(view, view.registry.entries()))


def tasks_fields(view: NetworkView, entries: Sequence[PathwayEntry]) -> dict[str, Any]:
    """The fields of a TasksReply, without the cost of making thousands of models."""
    return {
        "network_version": view.registry.version,
        "total": len(view.registry.current),
        "tasks": [task_fields(view, entry) for entry in entries],
    }


def task_info(view: NetworkView, entry: PathwayEntry) -> TaskInfo:
    """One task in service."""
    return TaskInfo.model_validate(task_fields(view, entry))


def task_fields(view: NetworkView, entry: PathwayEntry) -> dict[str, Any]:
    """The fields of a TaskInfo."""
    spec = entry.spec
    return {
        "task": entry.id.task,
        "version": entry.id.version,
        "state": view.state(entry),
        "reason": view.unavailable.get(entry.id.task),
        "signature": spec.signature.key,
        "output": spec.output,
        "labels": list(spec.labels),
        "concepts": {
            label: concept
            for label, concept in zip(spec.labels, spec.concepts, strict=True)
            if label != concept
        },
        "family": spec.family,
        "parameters": spec.parameters,
        "active_share": view.registry.active_share([entry.id]),
        "source": str(spec.source) if spec.source else None,
        "links": _links(view.registry, entry),
        "remark": spec.training.remark,
        "examples": spec.training.examples,
        "held_out_accuracy": spec.training.held_out_accuracy,
        "held_out_r2": spec.training.held_out_r2,
        "held_out_rmse": spec.training.held_out_rmse,
        "held_out_coverage": spec.training.held_out_coverage,
        "learned_at": entry.learned_at,
    }


def _links(registry: Registry, entry: PathwayEntry) -> list[dict[str, Any]]:
    source = registry.source_of(entry)
    if source is None:
        return []
    return [
        {
            "source_label": source.spec.labels[link.source_class],
            "target_label": entry.spec.labels[link.target_class],
            "similarity": link.similarity,
        }
        for link in entry.spec.links
    ]


def network_reply(view: NetworkView, max_active: int) -> NetworkReply:
    """The network at a glance."""
    entries = view.registry.entries()
    shares = [view.registry.active_share([entry.id]) for entry in entries]
    return NetworkReply(
        network_version=view.registry.version,
        tasks=len(entries),
        parameters=view.registry.parameters,
        max_active_pathways=max_active,
        mean_active_share=sum(shares) / len(shares) if shares else None,
        links=sum(len(entry.spec.links) for entry in entries),
        slots=_slots(view),
        local=[str(e.id) for e in entries if view.state(e) == "local"],
        dormant=[str(e.id) for e in entries if view.state(e) == "dormant"],
        unavailable=dict(view.unavailable),
    )


def _slots(view: NetworkView) -> list[SlotInfo]:
    """Slots with pathways in them, by node."""
    held: dict[int, list[str]] = {}
    for pathway, slots in sorted(view.slots.items()):
        for slot in slots:
            held.setdefault(slot, []).append(str(pathway))
    by_node = sorted(held, key=lambda slot: (view.nodes[slot], slot))
    return [SlotInfo(slot=n, node=view.nodes[n], pathways=held[n]) for n in by_node]
