"""One inference: the body to inputs, the answers to a reply. No HTTP here but its bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from numpy.typing import NDArray
from pydantic import ValidationError

from cluster.inputs import Batch, batch_from_array
from cluster.messages import Answer
from deploy.allowance import check_count
from deploy.bodies import parse_json, reason
from deploy.v2.meaning import accepted, meaning
from deploy.v2.messages import InferInput, InferRequest
from deploy.v2.models import INPUT, Model, Outputs
from deploy.v2.tensors import Tensor, decode
from pathways import DataError


@dataclass(frozen=True)
class Asked:
    """A request that was understood."""

    request: InferRequest
    inputs: Batch


def understand(body: bytes, head_bytes: int | None, model: Model, max_inputs: int) -> Asked:
    """Read a request whose JSON is the first `head_bytes` of the body (None: all of it).

    Raises DataError, TooLargeError.
    """
    if head_bytes is not None and head_bytes > len(body):
        raise DataError(f"the JSON is said to take {head_bytes} bytes, the body has {len(body)}")
    view = memoryview(body)
    head, tail = view[:head_bytes], view[len(body) if head_bytes is None else head_bytes :]
    try:
        request = InferRequest.model_validate(parse_json(head))
    except ValidationError as error:
        raise DataError(f"the request cannot be used: {reason(error)}") from error
    _check_outputs(request, model.OUTPUTS)
    array = _input(request, tail)
    check_count(len(array), max_inputs)
    return Asked(request, batch_from_array(array, *meaning(model, array, request.parameters)))


def _check_outputs(asked: InferRequest, known: Sequence[str]) -> None:
    """Raises DataError for an output that the model does not have, before it is run."""
    for output in asked.outputs:
        if output.name not in known:
            raise DataError(f"there is no output {output.name!r}; there are {', '.join(known)}")


def _input(request: InferRequest, tail: memoryview) -> NDArray[Any]:
    """The array of the one input there has to be."""
    names = [tensor.name for tensor in request.inputs]
    if names != [INPUT]:
        raise DataError(f"there must be one input called {INPUT!r}, got {names or 'none'}")
    (tensor,) = request.inputs
    return decode(tensor, accepted(len(tensor.shape)), _binary(tensor, tail))


def _binary(tensor: InferInput, tail: memoryview) -> memoryview | None:
    """The part of the body behind the JSON that belongs to a tensor, if it came in binary."""
    size = tensor.parameters.binary_data_size
    if (size or 0) != len(tail):
        raise DataError(
            f"{len(tail)} bytes follow the JSON, but input {tensor.name!r} has binary_data_size "
            f"{size or 0}; is Inference-Header-Content-Length right?"
        )
    return None if size is None else tail


@dataclass(frozen=True)
class Reply:
    """A reply's bytes."""

    body: bytes
    head_bytes: int | None
    """Length of its JSON if binary tensors follow."""


def reply(asked: InferRequest, model: Model, answers: Sequence[Answer]) -> Reply:
    """The answers, in the outputs and the form that were asked for. Raises DataError."""
    outputs, tails = [], []
    for name, tensor, in_binary in _wanted(asked, model.outputs(answers)):
        about = {"name": name, "datatype": tensor.datatype, "shape": tensor.shape}
        if in_binary:
            tails.append(tensor.binary())
            outputs.append({**about, "parameters": {"binary_data_size": len(tails[-1])}})
        else:
            outputs.append({**about, "data": tensor.flat()})
    head: dict[str, Any] = {"model_name": model.name, "model_version": model.answered_by(answers)}
    if asked.id is not None:
        head["id"] = asked.id
    text = orjson.dumps({**head, "outputs": outputs}, option=orjson.OPT_SERIALIZE_NUMPY)
    return Reply(b"".join([text, *tails]), len(text) if tails else None)


def _wanted(asked: InferRequest, outputs: Outputs) -> list[tuple[str, Tensor, bool]]:
    """(name, tensor, whether in binary) of every output to give."""
    default = asked.parameters.binary_data_output
    if not asked.outputs:
        return [(name, tensor, default) for name, tensor in outputs.items()]
    return [
        (o.name, outputs[o.name], default if (own := o.parameters.binary_data) is None else own)
        for o in asked.outputs
    ]
