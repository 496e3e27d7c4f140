"""Options of families: plain values, checked against the fields of a frozen dataclass."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields
from typing import Any, get_type_hints

from pathways.errors import FamilyError

_MOST = 1_000_000  # a layer of a million units is a slip, not a wish
_FITTED = "fitted"


@dataclass(frozen=True)
class Arguments:
    """What a user's own module is made with."""

    target: str
    """Where the class is, `package.module:Class`."""
    text: str
    """Its keyword arguments as JSON text."""

    def values(self) -> dict[str, Any]:
        """The keyword arguments."""
        return dict(json.loads(self.text))


def fitted_size() -> Any:
    """A field that fitting fills in: users do not set it, a spec tells it."""
    return field(default=0, metadata={_FITTED: True})


def read_options(
    family: str, options_type: type[Any], values: Mapping[str, Any], *, from_user: bool = False
) -> Any:
    """A family's options from plain values; unknown or wrong ones raise FamilyError.

    from_user: sizes that come of fitting are refused, which a spec's options name.
    """
    known = {f.name: f for f in fields(options_type)}
    free = [name for name, f in known.items() if not f.metadata.get(_FITTED)]
    kinds = get_type_hints(options_type)
    for name, value in values.items():
        if name not in (free if from_user else known):
            raise FamilyError(
                f"family {family} has no option {name!r}; its options are {', '.join(free)}"
            )
        _check(family, known[name], kinds[name], value)
    return options_type(**values)


def options_key(options: Mapping[str, Any]) -> str:
    """Equal for equal options, whatever values they hold."""
    return json.dumps(options, sort_keys=True)


def _check(family: str, of: Field[Any], kind: type[Any], value: Any) -> None:
    wanted, fits = _KINDS[kind]
    if not fits(value):
        raise FamilyError(f"option {of.name} of family {family} must be {wanted}, got {value!r}")
    if kind is int and value > _MOST and not of.metadata.get(_FITTED):
        raise FamilyError(
            f"option {of.name} of family {family} must be {_MOST:,} at most, got {value!r}"
        )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_KINDS: Mapping[type[Any], tuple[str, Callable[[Any], bool]]] = {
    int: ("1 or more", lambda v: isinstance(v, int) and not isinstance(v, bool) and v >= 1),
    float: ("a number above 0", lambda v: _is_number(v) and 0 < v < math.inf),
    str: ("a text", lambda v: isinstance(v, str) and bool(v)),
    bool: ("true or false", lambda v: isinstance(v, bool)),
}
