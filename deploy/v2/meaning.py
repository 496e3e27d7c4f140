"""What a tensor means: an image, a sound, a row of a table or a text. Its dimensions and datatype
tell most of it, what the model knows or the request's parameters the rest."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from deploy.v2.messages import InferParameters
from deploy.v2.models import Model
from pathways import DataError, Modality

_IMAGES = ("UINT8", "FP32")
_FLAT = ("FP32", "INT32", "INT64")


def accepted(dimensions: int) -> tuple[str, ...]:
    """Datatypes of an input with so many dimensions; raises DataError."""
    if dimensions in (3, 4):
        return _IMAGES
    if dimensions == 2:
        return _FLAT
    raise DataError(
        "images are [n, height, width] or [n, height, width, channels], sounds [n, samples], "
        f"tables [n, columns], texts [n, tokens]; got {dimensions} dimensions"
    )


def meaning(model: Model, array: NDArray[Any], given: InferParameters) -> tuple[int, Modality]:
    """(rate in Hz, 0 unless of sounds; kind of input) of an array; raises DataError."""
    if array.ndim != 2:
        return 0, "image"
    kind = _kind(model, array, given)
    return (_rate_hz(model, given.rate_hz) if kind == "audio" else 0), kind


def _kind(model: Model, array: NDArray[Any], given: InferParameters) -> Modality:
    """Of an array of two dimensions."""
    known = sorted(model.modalities() - {"image"})
    if given.kind is not None:
        fitting = [kind for kind in known if kind == given.kind]
    elif array.dtype.kind == "f" and given.rate_hz is not None:
        fitting = [kind for kind in known if kind == "audio"]
    else:
        integers = array.dtype.kind in "iu"
        fitting = [kind for kind in known if (kind == "text") == integers]
    if len(fitting) == 1:
        return fitting[0]
    if not fitting:
        raise DataError(
            f"{model.name} takes no {array.dtype} input of two dimensions like this; it knows "
            f"{', '.join(sorted(model.modalities())) or 'nothing'} (sounds and tables are FP32, "
            "texts INT32 or INT64; a picture is [1, height, width])"
        )
    raise DataError(
        f"{model.name} knows {' and '.join(fitting)}; give the parameter kind, or rate_hz of sounds"
    )


def _rate_hz(model: Model, given: int | None) -> int:
    known = model.rates_hz()
    if given is None and len(known) == 1:
        return known.pop()
    if given is None or given < 1:
        raise DataError(
            f"give the parameter rate_hz of the sounds, above 0; {model.name} knows "
            f"{', '.join(map(str, sorted(known)))}"
        )
    return given
