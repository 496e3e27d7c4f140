"""Two tasks that are learned together, from images and sounds that were shown together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request, Response

from cluster.asking import pairing
from deploy.bodies import FORM, JSON
from deploy.problems import problems
from deploy.served import served
from deploy.v1.examples import sent
from deploy.v1.learning import begin
from deploy.v1.messages import Accepted, PairBody, PairOptions
from deploy.v1.uploads import FILE
from pathways import DataError
from pathways.data.pairs_file import LoadedPairs, load_pairs

router = APIRouter()

_BODY: dict[str, Any] = {
    "required": True,
    "content": {
        JSON: {"schema": {"$ref": "#/components/schemas/PairBody"}},
        FORM: {"schema": {"$ref": "#/components/schemas/PairForm"}},
    },
}


@router.post(
    "/v1/pairs",
    status_code=202,
    responses=problems(400, 409, 413, 415, 422, 429, 503),
    openapi_extra={"requestBody": _BODY},
    summary="Learn a task of images and one of sounds together",
)
async def learn_pair(request: Request, response: Response) -> Accepted:
    sen = served(request)
    async with sent(request, sen, PairBody, PairOptions) as asked:
        loaded = await asked.read(FILE, _load)
    options, names = asked.options, (asked.fields["first"], asked.fields["second"])
    new = pairing(*names, loaded.data, options.config(), options.pairing())
    accepted = await begin(sen, new, loaded.notes)
    response.headers["Location"] = accepted.status
    return accepted


def _load(path: Path, max_bytes: int) -> LoadedPairs:
    if path.suffix.lower() != ".npz":
        raise DataError(
            f"pairs are one .npz file, got {path.name}; save them with numpy.savez(path, "
            "x_image=..., x_sound=..., rate_hz=8000, y=...)"
        )
    return load_pairs(path, max_bytes=max_bytes)
