"""Work that nobody waits for: kept alive, and heard of if it fails."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from typing import Any, TypeVar

logger = logging.getLogger(__name__)

Result = TypeVar("Result")


class Background:
    """The tasks that one owner has running beside it, in its event loop."""

    def __init__(self, owner: str) -> None:
        """`owner`: whose work it is, for the log."""
        self._owner = owner
        self._running: set[asyncio.Future[Any]] = set()  # asyncio only keeps weak references

    def spawn(self, work: Awaitable[Result]) -> asyncio.Future[Result]:
        """Start; what it raises is logged."""
        task = asyncio.ensure_future(work)
        self._running.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Future[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()):
            logger.error("background work of %s failed", self._owner, exc_info=error)
