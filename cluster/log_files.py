"""What the processes of one node wrote, read from the files that Ray keeps it in: no Ray.

Ray names a process's files by its id only. But the first lines of its output are Ray's and say what
runs in it, `:actor_name:SlotActor`; by that the files are told apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

KINDS = ("controller", "slot", "replica", "dispatcher", "training", "serve", "ray")
"""What a process is: the network's controller, a slot, an HTTP replica, a Python client's
dispatcher, a part of a training job, one of Serve's own (HAProxy, proxies, its controller), or of
Ray's."""

OURS = frozenset(KINDS) - {"ray"}

_ROLES = {
    "ControllerActor": "controller",
    "SlotActor": "slot",
    "DispatcherActor": "dispatcher",
    "RayTrainWorker": "training",
    "TrainController": "training",
    "PartnerSide": "training",
    "run_training_job": "training",
    "ServeController": "serve",
    "ProxyActor": "serve",
    "HAProxyManager": "serve",
}
_MARK = re.compile(rb"^:(?:actor_name|task_name):(.*)$", re.MULTILINE)
_MARKED = re.compile(r"^:(?:actor_name|task_name|job_id):.*$")
_WORKER = re.compile(r"worker-[0-9a-f]+-[0-9a-f]+-(\d+)\.(?:out|err)$")
_PATTERNS = ("worker-*.out", "worker-*.err", "serve/*.log")
_PATTERNS_OF_RAY = ("*.log", "raylet.out", "raylet.err", "gcs_server.out", "gcs_server.err")
_HEAD_BYTES = 4096
_MOST_BYTES = 1 << 20  # of the end of a file that are looked at

_ERROR = re.compile(
    r"\b(?:ERROR|CRITICAL|FATAL|Traceback)\b|\b[A-Za-z_.]*(?:Error|Exception)\b"
    r"|^\[\S+ \S+ [EF] "  # as Ray's own code writes them
)


@dataclass(frozen=True, kw_only=True)
class LogQuery:
    """What is wanted of the files."""

    kinds: frozenset[str] = OURS
    lines: int = 20
    """Of each file, the last ones."""
    errors: bool = False
    """Only lines that tell of errors, with their tracebacks."""


@dataclass(frozen=True, kw_only=True)
class Written:
    """What one process wrote to one file."""

    file: str
    """Below the node's directory of logs."""
    kind: str
    process: int | None
    changed: float
    """When it was written to last, seconds since 1970."""
    lines: tuple[str, ...]
    end: int
    """How far it was read, in bytes."""


def read_logs(
    folder: Path, query: LogQuery, since: Mapping[str, int] | None = None
) -> list[Written]:
    """The last lines of every file of these kinds, what was written to last at the end.

    since: file → how far it was read before; then only whole lines after that.
    """
    found = []
    for path in _files(folder, query.kinds):
        try:
            written = _read(folder, path, query, since)
        except FileNotFoundError:  # Ray removes old files
            continue
        if written is not None:
            found.append(written)
    return sorted(found, key=lambda written: (written.changed, written.file))


def _files(folder: Path, kinds: frozenset[str]) -> Iterable[Path]:
    patterns = (*_PATTERNS, *(_PATTERNS_OF_RAY if "ray" in kinds else ()))
    return sorted({path for pattern in patterns for path in folder.glob(pattern)})


def _read(
    folder: Path, path: Path, query: LogQuery, since: Mapping[str, int] | None
) -> Written | None:
    name = str(path.relative_to(folder))
    with path.open("rb") as file:
        kind = kind_of(name, file.read(_HEAD_BYTES))
        if kind not in query.kinds:
            return None
        size = file.seek(0, 2)
        start = max(size - _MOST_BYTES, 0 if since is None else since.get(name, 0))
        file.seek(start)
        raw = file.read(size - start)
    if since is not None:
        raw = raw[: raw.rfind(b"\n") + 1]  # the rest is told once its line is whole
    lines = [x for x in raw.decode(errors="replace").splitlines() if not _MARKED.match(x)]
    if query.errors:
        lines = errors_in(lines)
    of_worker = _WORKER.search(name)
    return Written(
        file=name,
        kind=kind,
        process=int(of_worker[1]) if of_worker else None,
        changed=path.stat().st_mtime,
        lines=tuple(lines if since is not None else lines[max(0, len(lines) - query.lines) :]),
        end=start + len(raw),
    )


def kind_of(name: str, head: bytes) -> str:
    """Which of KINDS wrote a file, from its name and first bytes."""
    if name.startswith("serve/"):
        return "replica" if name.startswith("serve/replica_") else "serve"
    roles = [found.decode(errors="replace").strip() for found in _MARK.findall(head)]
    if any(role.startswith("ServeReplica:") for role in roles):
        return "replica"
    return next((_ROLES[role] for role in reversed(roles) if role in _ROLES), "ray")


def errors_in(lines: Iterable[str]) -> list[str]:
    """Those that tell of errors; of a traceback all lines, up to the one that names the error."""
    kept, inside = [], False
    for line in lines:
        if "Traceback (most recent call last)" in line:
            inside = True
        elif inside and line and not line[0].isspace():
            inside = False
            kept.append(line)
            continue
        if inside or _ERROR.search(line):
            kept.append(line)
    return kept
