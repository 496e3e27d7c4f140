"""What each of a network's processes holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True, kw_only=True)
class Held:
    """Memory of all processes of one name."""

    processes: int
    pss_bytes: int
    """What they share is parted among the sharers: these may be added up."""
    uss_bytes: int
    """What would be free without them."""


def by_name(processes: Iterable[psutil.Process]) -> dict[str, Held]:
    """Memory by what a process is, for example `ray::ControllerActor`, largest first."""
    found: dict[str, Held] = {}
    for process in processes:
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            name, info = name_of(process), process.memory_full_info()
            seen = found.get(name, Held(processes=0, pss_bytes=0, uss_bytes=0))
            found[name] = Held(
                processes=seen.processes + 1,
                pss_bytes=seen.pss_bytes + info.pss,
                uss_bytes=seen.uss_bytes + info.uss,
            )
    return dict(sorted(found.items(), key=lambda item: -item[1].pss_bytes))


def total_bytes(held: Mapping[str, Held]) -> int:
    """Of all processes together."""
    return sum(each.pss_bytes for each in held.values())


def name_of(process: psutil.Process) -> str:
    """Ray's processes call themselves `ray::Class.method`; others go by their program."""
    command = process.cmdline()
    first = command[0].split()[0] if command and command[0] else "?"
    if first.startswith("ray::"):
        return first.split(".")[0]
    program = Path(first).name
    if program.startswith("python"):
        scripts = [Path(word).name for word in command[1:] if word.endswith(".py")]
        modules = [command[i + 1] for i, word in enumerate(command[:-1]) if word == "-m"]
        return (scripts or modules or [program])[0]
    return program
