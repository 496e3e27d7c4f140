"""Weight files: safetensors bytes with a content hash, checked whenever they are read."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from pathways.errors import FamilyError, WeightsError

_NAMED = 3  # weights that do not fit, in a message
_CONVERT = (
    'python -c "import torch, safetensors.torch as s; '
    "w = torch.load('IN.pth', map_location='cpu', weights_only=True); "
    "s.save_file({k: v.clone().contiguous() for k, v in w.items()}, 'OUT.safetensors')\""
)


def pack(tensors: dict[str, Tensor]) -> bytes:
    """Tensors as the bytes of a safetensors file."""
    seen: set[int] = set()
    apart = {}
    for name, tensor in tensors.items():
        whole = tensor.detach().contiguous()
        # A weight that a module uses under two names: the format knows no shared memory.
        memory = whole.untyped_storage().data_ptr()
        apart[name] = whole.clone() if memory in seen else whole
        seen.add(memory)
    return bytes(safetensors.torch.save(apart))


def sha256(body: bytes) -> str:
    """Content hash of a weight file, hexadecimal."""
    return hashlib.sha256(body).hexdigest()


def unpack(body: bytes, expected_sha256: str | None, name: str) -> dict[str, Tensor]:
    """Tensors of a weight file; raises WeightsError if its content is not what was stored.

    None: the hash was compared before.
    """
    if expected_sha256 is not None and (found := sha256(body)) != expected_sha256:
        raise WeightsError(
            f"the weights of {name} are damaged: their SHA-256 is {found[:12]}…, the spec says "
            f"{expected_sha256[:12]}…; restore the file from a backup of the store"
        )
    try:
        return dict(safetensors.torch.load(body))
    except SafetensorError as error:
        raise WeightsError(f"the weights of {name} are no safetensors file: {error}") from error


def fitting_weights(
    given: Mapping[str, Tensor], wanted: Mapping[str, Tensor], name: str
) -> dict[str, Tensor]:
    """The weights of `wanted` as they are given; raises FamilyError unless names and shapes fit.

    Counters of batches, which older files lack, may be missing.
    """
    missing = [n for n in wanted if n not in given and not n.endswith("num_batches_tracked")]
    other = [n for n in given if n not in wanted]
    shaped = [
        f"{n} {list(given[n].shape)} in place of {list(wanted[n].shape)}"
        for n in wanted
        if n in given and given[n].shape != wanted[n].shape
    ]
    problems = {"has no": missing, "has": [*other, *shaped]}
    for what, names in problems.items():
        if names:
            more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
            raise FamilyError(
                f"the file of weights is not what {name} needs: it {what} "
                f"{', '.join(names[:_NAMED])}{more}"
            )
    return {n: given.get(n, tensor) for n, tensor in wanted.items()}


def read_weights(path: str | Path) -> bytes:
    """A user's safetensors file of weights to start from; raises FamilyError for any other."""
    try:
        body = Path(path).read_bytes()
    except (OSError, ValueError) as error:
        raise FamilyError(f"cannot read the weights in {path}: {error}") from error
    check_weights(body, str(path))
    return body


def check_weights(body: bytes, name: str) -> None:
    """Raises FamilyError unless these are the bytes of a safetensors file."""
    try:
        unpack(body, None, name)
    except WeightsError as error:
        raise FamilyError(
            f"{name} is no safetensors file, and no other is read, since that could run code in "
            f"it; this makes one of a .pth file: {_CONVERT}"
        ) from error
