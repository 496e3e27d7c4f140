"""New versions of known tasks, earlier ones back in service, and tasks that go."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from cluster.asking import improving, pruning
from cluster.orders import HELD_OUT
from deploy.bodies import FORM, JSON
from deploy.problems import problems
from deploy.served import Served, served
from deploy.v1.examples import ExamplesBody, Options, Sent, sent
from deploy.v1.learning import begin
from deploy.v1.messages import Accepted
from deploy.v1.uploads import FILE
from pathways import TaskData, TrainConfig
from pathways.revising import ImproveConfig, PruneConfig

router = APIRouter()


class ImproveOptions(BaseModel):
    """How a task is improved; what is left out takes the default."""

    model_config = ConfigDict(extra="forbid")

    source: str | None = Field(
        default=None, description="Task to read; by default the one that promises most"
    )
    threshold: float = Field(
        default=ImproveConfig().threshold, gt=0, le=1, description="Mean probability of a link"
    )
    significance: float = Field(
        default=0.05, gt=0, lt=1, description="Most p may be for the new version to count as better"
    )
    epochs: int = Field(default=10, ge=1, le=10_000, description="Passes over the data")
    seed: int = Field(default=0, ge=0, le=2**53 - 1)

    def config(self) -> ImproveConfig:
        """The same for `pathways`."""
        return ImproveConfig(
            threshold=self.threshold,
            significance=self.significance,
            seed=self.seed,
            train=TrainConfig(epochs=self.epochs),
        )


class PruneOptions(BaseModel):
    """How a task is pruned; what is left out takes the default."""

    model_config = ConfigDict(extra="forbid")

    max_loss: float = Field(
        default=0.005, ge=0, lt=1, description="Most it may lose, as a share of held-out examples"
    )
    keep: int | None = Field(
        default=None, ge=1, description="Units to keep; by default as few as the loss allows"
    )
    seed: int = Field(default=0, ge=0, le=2**53 - 1)

    def config(self) -> PruneConfig:
        """The same for `pathways`."""
        return PruneConfig(max_loss=self.max_loss, keep=self.keep, seed=self.seed)


class _ReviseBody(ExamplesBody):
    held_out_path: str | None = Field(
        default=None, description="Examples to prove the new version on; by default some of `path`"
    )


class ImproveBody(_ReviseBody):
    """Data of a known task to improve it with, where the replicas can read them."""

    options: ImproveOptions = ImproveOptions()


class PruneBody(_ReviseBody):
    """Data of a known task to prune it with, where the replicas can read them."""

    options: PruneOptions = PruneOptions()


class ReviseForm(BaseModel):
    """Data of a known task, uploaded."""

    options: str = Field(default="{}", description="ImproveOptions or PruneOptions as JSON text")
    file: list[bytes] = Field(
        description="One .npz, .parquet or .zip of class folders; or images or sounds, each with "
        "`class/name.png` as its file name",
        json_schema_extra={"items": {"type": "string", "format": "binary"}},
    )
    held_out: list[bytes] = Field(
        default=[],
        description="The same: examples to prove the new version on",
        json_schema_extra={"items": {"type": "string", "format": "binary"}},
    )


class RollbackBody(BaseModel):
    """Which version to serve again."""

    model_config = ConfigDict(extra="forbid")

    version: int | None = Field(
        default=None, ge=1, description="By default what the one in service was made of"
    )


class RollbackReply(BaseModel):
    pathway: str = Field(description="In service now", examples=["digits@1"])
    network_version: int


class RemovalReply(BaseModel):
    task: str
    network_version: int
    rerooted: list[str] = Field(description="New versions of tasks that had read it")
    dropped: list[str] = Field(description="Every version that is no more")


class ProposalInfo(BaseModel):
    """A pair of tasks from which backward transfer may make something."""

    task: str
    source: str
    likeness: float = Field(description="How much of the task looks like the source, 0..1")
    accuracy: float | None = Field(description="Of the task on held-out examples, 0..1")
    promise: float = Field(description="Likeness times the errors that could go")


class ProposalsReply(BaseModel):
    proposals: list[ProposalInfo] = Field(description="Best first")


def _body(name: str) -> dict[str, Any]:
    schemas = {JSON: name, FORM: "ReviseForm"}
    content = {k: {"schema": {"$ref": f"#/components/schemas/{n}"}} for k, n in schemas.items()}
    return {"requestBody": {"required": True, "content": content}}


@router.post(
    "/v1/tasks/{task}/improve",
    status_code=202,
    responses=problems(400, 404, 409, 413, 415, 422, 503),
    openapi_extra=_body("ImproveBody"),
    summary="Make a better version of a task with the help of a later one",
)
async def improve(request: Request, response: Response, task: str) -> Accepted:
    sen = served(request)
    async with sent(request, sen, ImproveBody, ImproveOptions, beside=(HELD_OUT,)) as asked:
        data, held_out, notes = await _examples(sen, task, asked)
    options = asked.options
    registry = sen.view.registry
    new = improving(registry, task, data, options.source, held_out, options.config())
    return _located(response, await begin(sen, new, notes))


@router.post(
    "/v1/tasks/{task}/prune",
    status_code=202,
    responses=problems(400, 404, 409, 413, 415, 422, 503),
    openapi_extra=_body("PruneBody"),
    summary="Make a smaller version of a task",
)
async def prune(request: Request, response: Response, task: str) -> Accepted:
    sen = served(request)
    async with sent(request, sen, PruneBody, PruneOptions, beside=(HELD_OUT,)) as asked:
        data, held_out, notes = await _examples(sen, task, asked)
    new = pruning(sen.view.registry, task, data, held_out, asked.options.config())
    return _located(response, await begin(sen, new, notes))


async def _examples(
    sen: Served, task: str, asked: Sent[Options]
) -> tuple[TaskData, TaskData | None, list[str]]:
    """Data of a known task, those held out, and what was done to them on the way."""
    signature = sen.view.registry.entry(task).spec.signature
    loaded = await asked.load(FILE, signature, None)
    if HELD_OUT not in asked.names:
        return loaded.data, None, list(loaded.notes)
    held_out = await asked.load(HELD_OUT, signature, None)
    return loaded.data, held_out.data, [*loaded.notes, *held_out.notes]


def _located(response: Response, accepted: Accepted) -> Accepted:
    response.headers["Location"] = accepted.status
    return accepted


@router.post(
    "/v1/tasks/{task}/rollback",
    responses=problems(400, 404, 409, 422, 503),
    summary="Put an earlier version of a task back into service",
)
async def rollback(request: Request, task: str, body: RollbackBody | None = None) -> RollbackReply:
    sen = served(request)
    done = await sen.client.rollback(task, body.version if body else None)
    await sen.dispatcher.until(done.network_version)  # who asks next here is to see it
    return RollbackReply(pathway=str(done.pathway), network_version=done.network_version)


@router.delete(
    "/v1/tasks/{task}",
    responses=problems(404, 409, 422, 503),
    summary="Remove a task for good",
)
async def remove(
    request: Request,
    task: str,
    reroot: Annotated[
        bool, Query(description="Give tasks that read it a copy of what they need")
    ] = False,
) -> RemovalReply:
    sen = served(request)
    done = await sen.client.remove(task, reroot=reroot)
    await sen.dispatcher.until(done.network_version)
    return RemovalReply(
        task=done.task,
        network_version=done.network_version,
        rerooted=list(map(str, done.rerooted)),
        dropped=list(map(str, done.dropped)),
    )


@router.get(
    "/v1/proposals",
    responses=problems(422, 503),
    summary="Pairs of tasks from which backward transfer may make something",
)
async def proposals(
    request: Request, most: Annotated[int, Query(ge=1, le=1_000)] = 10
) -> ProposalsReply:
    found = await served(request).client.proposals(most)
    return ProposalsReply(proposals=[ProposalInfo(**vars(p)) for p in found])
