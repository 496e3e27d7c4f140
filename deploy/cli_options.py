"""Options that several commands of `sen` take."""

from __future__ import annotations

from typing import Annotated

import typer

Address = Annotated[
    str | None, typer.Option(help="Ray cluster, host:port; by default the one `sen up` started.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def share(text: str | float) -> float:
    """A share as people write it, `0.5%` or `0.005`; raises typer.BadParameter."""
    given = str(text).strip()
    try:
        value = float(given.removesuffix("%"))
    except ValueError:
        raise typer.BadParameter(f"{given!r} is no share; give one like 0.5% or 0.005") from None
    value = value / 100 if given.endswith("%") else value
    if not 0 <= value < 1:
        raise typer.BadParameter(f"{given!r} must lie in 0% to 100%; give one like 0.5% or 0.005")
    return value
