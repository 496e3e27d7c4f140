"""Asking an actor, with the errors a user knows."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import ray
from ray.exceptions import RayActorError, RayTaskError

from cluster.errors import NetworkUnavailable

_RESTART_S = 30.0


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


class Patience:
    """A controller that was lost starts anew, and what was acknowledged goes on."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until: float | None = None

    def bear(self, error: Exception) -> None:
        """Raises the error if it has been met for too long."""
        now = self._clock()
        if self._until is None:
            self._until = now + _RESTART_S
        elif now > self._until:
            raise error
