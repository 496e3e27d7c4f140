"""Families of models, found by name and imported only when used."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from pathways.errors import FamilyError
from pathways.families.base import Body, plain_options, read_options
from pathways.signature import Modality, Signature

__all__ = ["FAMILIES", "Body", "check_family", "default_family", "make_body", "plain_options"]

FAMILIES: dict[str, str] = {
    "bag": "pathways.families.bag:BagBody",
    "cnn": "pathways.families.cnn:CnnBody",
    "lstm": "pathways.families.lstm:LstmBody",
    "melcnn": "pathways.families.melcnn:MelCnnBody",
    "mlp": "pathways.families.mlp:MlpBody",
}
_DEFAULTS: dict[Modality, str] = {
    "image": "mlp",
    "audio": "melcnn",
    "table": "mlp",
    "text": "bag",
}


def default_family(signature: Signature) -> str:
    """The family for this kind of input unless another is asked for.

    For images the paper's (§4.2); for sounds not its LSTM, which trains some 15 times as long.
    """
    return _DEFAULTS[signature.modality]


def make_body(family: str, signature: Signature, options: dict[str, Any] | None = None) -> Body:
    """A body with fresh weights; raises FamilyError."""
    body_type, read = check_family(family, signature, options or {})
    return body_type(signature, read)


def check_family(
    family: str, signature: Signature, options: dict[str, Any]
) -> tuple[type[Body], Any]:
    """The body's type and its options; raises FamilyError if they do not go together."""
    if family not in FAMILIES:
        raise FamilyError(f"unknown family {family!r}; known are {', '.join(FAMILIES)}")
    module, _, name = FAMILIES[family].partition(":")
    body_type: type[Body] = getattr(import_module(module), name)
    if signature.modality not in body_type.modalities:
        fitting = default_family(signature)
        reads = " and ".join(body_type.modalities)
        raise FamilyError(
            f"family {family} reads {reads} inputs but the task has signature {signature.key}; "
            f"use {fitting}"
        )
    return body_type, read_options(family, body_type.Options, options)
