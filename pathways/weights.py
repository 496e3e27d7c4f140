"""Weight files: safetensors bytes with a content hash, checked whenever they are read."""

from __future__ import annotations

import hashlib

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from pathways.errors import WeightsError


def pack(tensors: dict[str, Tensor]) -> bytes:
    """Tensors as the bytes of a safetensors file."""
    contiguous = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
    return bytes(safetensors.torch.save(contiguous))


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
