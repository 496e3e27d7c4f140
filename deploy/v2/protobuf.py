"""The protocol's gRPC messages as the HTTP requests that say the same, and replies back.

Whatever is understood, refused or limited over HTTP is so over gRPC: there is one road behind.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from deploy.rpc_messages import pb
from pathways import DataError

_CONTENTS = {
    "BOOL": "bool_contents",
    "UINT8": "uint_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "UINT16": "uint_contents",
    "INT32": "int_contents",
    "UINT32": "uint_contents",
    "INT64": "int64_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
}
"""Datatype → field of the typed contents it comes in; half precision comes raw only."""


def to_body(request: pb.ModelInferRequest) -> tuple[bytes, int]:
    """The body of the HTTP request and the length of its JSON. Raises DataError."""
    raw = list(request.raw_input_contents)
    if raw and len(raw) != len(request.inputs):
        raise DataError(f"{len(request.inputs)} inputs but {len(raw)} raw contents")
    head: dict[str, Any] = {
        "parameters": {**_plain(request.parameters), "binary_data_output": True},
        "inputs": [
            _input(tensor, raw[place] if raw else None)
            for place, tensor in enumerate(request.inputs)
        ],
        "outputs": [
            {"name": output.name, "parameters": _plain(output.parameters)}
            for output in request.outputs
        ],
    }
    if request.id:
        head["id"] = request.id
    text = orjson.dumps(head)
    return b"".join([text, *raw]), len(text)


def _input(tensor: Any, raw: bytes | None) -> dict[str, Any]:
    about: dict[str, Any] = {
        "name": tensor.name,
        "datatype": tensor.datatype,
        "shape": list(tensor.shape),
        "parameters": _plain(tensor.parameters),
    }
    if raw is not None:
        about["parameters"]["binary_data_size"] = len(raw)
        return about
    if tensor.datatype not in _CONTENTS:
        raise DataError(f"input {tensor.name!r} has datatype {tensor.datatype!r}; send it raw")
    return {**about, "data": list(getattr(tensor.contents, _CONTENTS[tensor.datatype]))}


def to_infer_response(body: bytes, head_bytes: int) -> pb.ModelInferResponse:
    """The reply of an HTTP request with all outputs in binary."""
    head = orjson.loads(body[:head_bytes])
    response = pb.ModelInferResponse(
        model_name=head["model_name"], model_version=head["model_version"], id=head.get("id", "")
    )
    start = head_bytes
    for output in head["outputs"]:
        end = start + output["parameters"]["binary_data_size"]
        response.outputs.add(
            name=output["name"], datatype=output["datatype"], shape=output["shape"]
        )
        response.raw_output_contents.append(body[start:end])
        start = end
    return response


def to_metadata(about: Mapping[str, Any]) -> pb.ModelMetadataResponse:
    """A model's metadata; what the message has no place for is left out."""
    return pb.ModelMetadataResponse(
        name=about["name"],
        versions=about["versions"],
        platform=about["platform"],
        inputs=[_tensor(tensor) for tensor in about["inputs"]],
        outputs=[_tensor(tensor) for tensor in about["outputs"]],
    )


def _tensor(about: Mapping[str, Any]) -> pb.ModelMetadataResponse.TensorMetadata:
    return pb.ModelMetadataResponse.TensorMetadata(
        name=about["name"], datatype=about["datatype"], shape=about["shape"]
    )


def _plain(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters as JSON has them."""
    named = {name: value.WhichOneof("parameter_choice") for name, value in parameters.items()}
    return {
        name: getattr(parameters[name], choice) if choice else None
        for name, choice in named.items()
    }
