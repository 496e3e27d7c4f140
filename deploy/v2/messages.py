"""What the Open Inference Protocol says and hears over HTTP."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, FailFast, Field

from pathways import Modality

_MAX_DIMENSIONS = 8


class _Heard(BaseModel):
    """Strict: a request that asks for what is not known here is refused, not half answered."""

    model_config = ConfigDict(extra="forbid", strict=True)


class InputParameters(_Heard):
    binary_data_size: int | None = Field(
        default=None, ge=0, description="The tensor follows the JSON in so many bytes"
    )


class InferInput(_Heard):
    name: str = Field(examples=["input"])
    datatype: str = Field(examples=["UINT8"])
    shape: list[int] = Field(min_length=1, max_length=_MAX_DIMENSIONS, examples=[[1, 28, 28, 1]])
    data: Any = Field(
        default=None,
        description="Numbers in row-major order, flat or nested; absent if they come in binary",
        json_schema_extra={"type": "array", "items": {}},
    )
    parameters: InputParameters = InputParameters()


class OutputParameters(_Heard):
    binary_data: bool | None = Field(default=None, description="Give this output in binary")


class InferOutput(_Heard):
    name: str
    parameters: OutputParameters = OutputParameters()


class InferParameters(_Heard):
    binary_data_output: bool = Field(default=False, description="Give all outputs in binary")
    rate_hz: int | None = Field(
        default=None, description="Samples a second, if the inputs are sounds"
    )
    kind: Modality | None = Field(
        default=None,
        description="What two dimensions are, where the model knows more than one kind: `audio`, "
        "`table` or `text`",
    )


class InferRequest(_Heard):
    id: str | None = None
    parameters: InferParameters = InferParameters()
    inputs: Annotated[list[InferInput], FailFast()]
    outputs: Annotated[list[InferOutput], FailFast()] = Field(
        default_factory=list, description="Outputs to give, in this order; all by default"
    )


class OutputTensor(BaseModel):
    name: str
    datatype: str
    shape: list[int]
    data: list[Any] | None = Field(
        default=None, description="Row-major and flat; absent if in binary"
    )
    parameters: dict[str, int] | None = Field(default=None, examples=[{"binary_data_size": 40}])


class InferReply(BaseModel):
    """A reply in JSON, or the head of one with binary tensors."""

    model_name: str
    model_version: str
    id: str | None = None
    outputs: list[OutputTensor]


class TensorMetadata(BaseModel):
    name: str
    datatype: str
    shape: list[int] = Field(description="-1 for a length that may vary")


class ModelMetadata(BaseModel):
    name: str
    versions: list[str] = Field(description="Those in service")
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]
    parameters: dict[str, Any] = Field(description="What else there is to know, as labels")


class ServerMetadata(BaseModel):
    name: str
    version: str
    extensions: list[str]


class Live(BaseModel):
    live: bool


class Ready(BaseModel):
    ready: bool


class ModelReady(BaseModel):
    name: str
    ready: bool
