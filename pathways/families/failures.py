"""What goes wrong inside a module of a user's own, as an error of the task it was for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pathways.errors import FamilyError, PathwaysError
from pathways.families import is_own


@contextmanager
def failures_of(family: str) -> Iterator[None]:
    """Whatever a module of a user's own raises inside becomes a FamilyError that names it.

    Errors of the families of this package would be ours, so they stay what they are.
    """
    try:
        yield
    except PathwaysError:
        raise
    except (Exception, SystemExit) as error:
        if not is_own(family):
            raise
        raise FamilyError(f"{family} failed: {type(error).__name__}: {error}") from error
