"""Asking an actor, with the errors a user knows."""

from __future__ import annotations

from typing import Any

import ray
from ray.exceptions import RayActorError, RayTaskError

from cluster.errors import NetworkUnavailable


def result(reference: Any) -> Any:
    """A result, or the error as it was raised in the other process."""
    try:
        return ray.get(reference)
    except RayTaskError as error:
        raise _original(error) from None
    except RayActorError as error:
        raise _unavailable(error) from error


async def awaited(reference: Any) -> Any:
    try:
        return await reference
    except RayTaskError as error:
        raise _original(error) from None
    except RayActorError as error:
        raise _unavailable(error) from error


def _unavailable(error: RayActorError) -> NetworkUnavailable:
    why = str(error).strip().splitlines()[-1]
    return NetworkUnavailable(
        f"the network does not answer now ({why}); it starts anew by itself, so try again in some "
        "seconds, or see `sen status`"
    )


def _original(error: RayTaskError) -> BaseException:
    """What was raised first: an error that crossed several processes is wrapped as often."""
    cause: Any = error
    while isinstance(cause, RayTaskError):
        cause = cause.cause
    return cause if isinstance(cause, BaseException) else error
