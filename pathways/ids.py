"""Names and ids of pathways: rendered and parsed here only."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pathways.errors import PathwaysError

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


def check_task_name(name: str) -> str:
    """Return `name` if it can name a task; raises PathwaysError."""
    if not _NAME.fullmatch(name):
        raise PathwaysError(
            f"{name!r} cannot name a task; use 1 to 64 of a-z, 0-9, '.', '_' and '-', "
            "beginning with a letter or digit"
        )
    return name


@dataclass(frozen=True, order=True)
class PathwayId:
    """One immutable version of a task's pathway, written `task@version`."""

    task: str
    version: int = 1

    def __str__(self) -> str:
        return f"{self.task}@{self.version}"

    @classmethod
    def parse(cls, text: str) -> PathwayId:
        """Read `task@version`; raises PathwaysError."""
        task, _, version = text.partition("@")
        if not version.isdecimal() or int(version) < 1:
            raise PathwaysError(f"{text!r} is no pathway id; one looks like digits@1")
        return cls(check_task_name(task), int(version))
