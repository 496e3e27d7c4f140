"""Which code a process runs, and which one is on its disk: what a rolling update goes by."""

from __future__ import annotations

import hashlib
import os
from importlib.util import find_spec
from pathlib import Path

_PACKAGES = ("pathways", "dispatcher", "cluster", "deploy")


def on_disk() -> str:
    """The code on this machine's disk now: 12 hex digits that differ if any file of it does."""
    found = hashlib.sha256()
    for package in _PACKAGES:
        spec = find_spec(package)
        for folder in spec.submodule_search_locations or () if spec else ():
            for path in sorted(Path(folder).rglob("*.py")):
                found.update(f"{package}/{path.relative_to(folder).as_posix()}\n".encode())
                found.update(path.read_bytes())
    return found.hexdigest()[:12]


LOADED = on_disk()
"""The code that this process runs: what was there when it began to."""


def leave_if_outdated() -> None:
    """End this process if it began with other code than is on the disk now.

    To be called where an actor or a task begins. Ray puts them into processes that have run others
    before, whose modules stay loaded; in place of one that ended it starts a new process.
    """
    if on_disk() != LOADED:
        os._exit(1)
