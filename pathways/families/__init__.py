"""Families of models, found by name and imported only when used."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from pathways.errors import FamilyError
from pathways.families.base import Body, plain_options
from pathways.families.options import options_key, read_options
from pathways.signature import Modality, Signature

__all__ = [
    "FAMILIES",
    "Body",
    "check_family",
    "check_family_name",
    "default_family",
    "is_own",
    "make_body",
    "options_key",
    "plain_options",
]

FAMILIES: dict[str, str] = {
    "bag": "pathways.families.bag:BagBody",
    "cnn": "pathways.families.cnn:CnnBody",
    "forest": "pathways.families.forest:ForestBody",
    "lstm": "pathways.families.lstm:LstmBody",
    "melcnn": "pathways.families.melcnn:MelCnnBody",
    "mlp": "pathways.families.mlp:MlpBody",
    "svm": "pathways.families.svm:SvmBody",
    "torchvision": "pathways.families.backbone:BackboneBody",
}
"""Those of this package; a module of a user's own is named `package.module:Class`."""
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


def is_own(family: str) -> bool:
    """Whether it names a module of a user's own."""
    return ":" in family


def check_family_name(family: str) -> None:
    """Raises FamilyError for a family that is neither known nor a module of a user's own."""
    if not is_own(family) and family not in FAMILIES:
        raise FamilyError(
            f"unknown family {family!r}; known are {', '.join(FAMILIES)}, and modules of your own "
            "as package.module:Class"
        )


def make_body(family: str, signature: Signature, options: dict[str, Any] | None = None) -> Body:
    """A body with fresh weights; raises FamilyError."""
    body_type = _body_type(family, signature)
    read = _read(family, body_type, options or {}, from_user=False)
    try:
        return body_type(signature, read)
    except (RuntimeError, MemoryError) as error:
        raise FamilyError(f"family {family} cannot be made with {options}: {error}") from error


def check_family(
    family: str, signature: Signature, options: dict[str, Any]
) -> tuple[type[Body], Any]:
    """The body's type and its options as a user gives them, checked as far as they can be without
    making a body; raises FamilyError if they do not go together."""
    body_type = _body_type(family, signature)
    return body_type, _read(family, body_type, options, from_user=True)


def _body_type(family: str, signature: Signature) -> type[Body]:
    check_family_name(family)
    place = "pathways.families.own:OwnBody" if is_own(family) else FAMILIES[family]
    module, _, name = place.partition(":")
    body_type: type[Body] = getattr(import_module(module), name)
    if signature.modality not in body_type.modalities:
        fitting = default_family(signature)
        reads = " and ".join(body_type.modalities)
        raise FamilyError(
            f"family {family} reads {reads} inputs but the task has signature {signature.key}; "
            f"use {fitting}"
        )
    return body_type


def _read(family: str, body_type: type[Body], options: dict[str, Any], *, from_user: bool) -> Any:
    if is_own(family):
        from pathways.families.own import read_arguments

        return read_arguments(family, options)
    return read_options(family, body_type.Options, options, from_user=from_user)
