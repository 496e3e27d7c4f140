"""What is wrong with the machines of a network, decided from facts about them: no Ray, no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

GIB = 1 << 30
_MEMORY_BYTES = 1 * GIB  # what a slot with torch and a training worker need at least
_DISK_BYTES = 2 * GIB
_SHM_BYTES = GIB // 2
_SKEW_S = 5.0


class Level(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What one check found."""

    check: str
    level: Level
    found: str
    fix: str = ""
    """What to do about it; empty if nothing needs to be done."""


@dataclass(frozen=True, kw_only=True)
class NodeFacts:
    """What a node tells of itself."""

    node: str
    """Its address, or `here`."""
    versions: Mapping[str, str]
    """Python and packages → version."""
    memory_bytes: int
    """Available."""
    disk_bytes: int
    """Free where Ray keeps its files."""
    shm_bytes: int | None
    """Free in /dev/shm; None where there is none."""
    clock_s: float = 0.0
    """How far its clock is ahead of this machine's."""
    clock_error_s: float = 0.0
    """How wrong that may be: half of the time it took to ask."""
    gpus: float = 0.0
    """That Ray counts there."""
    gpu_error: str | None = None
    """Why torch cannot compute on them."""
    store_error: str | None = None
    """Why an object could not be written, read and removed in the store there."""


@dataclass(frozen=True, kw_only=True)
class MachineFacts:
    """What only the machine that `sen` runs on can tell."""

    auth_mode: str
    """RAY_AUTH_MODE."""
    open_files: Mapping[str, int] = field(default_factory=dict)
    """Files with secrets that others may read → their permissions."""
    exposed: str | None = None
    """Why the settings would let others ask without a key."""
    port: int
    port_taken: bool
    """Somebody listens there, and it is no network of ours."""
    haproxy: bool
    stale_cluster: str | None = None
    """File of Ray that names a cluster which does not answer."""


def diagnose(
    nodes: Sequence[NodeFacts],
    machine: MachineFacts,
    gpus: Mapping[str, float] = MappingProxyType({}),
) -> list[Finding]:
    """Every check, with what to do about those that are not well.

    gpus: setting → what it asks of a node's GPUs, 0 for nothing.
    """
    found = [_same_versions(nodes)]
    for node in nodes:
        found += [*_room(node), _store(node), _clock(node)]
        if node.gpus or node.gpu_error:
            found.append(_gpu(node, wanted=any(gpus.values())))
    for setting, wanted in gpus.items():
        if wanted > max((node.gpus for node in nodes), default=0.0):
            found.append(_too_few_gpus(setting, wanted))
    return [*found, *_machine(machine)]


def worst(findings: Iterable[Finding]) -> Level:
    """The worst of all levels."""
    levels = {finding.level for finding in findings}
    return next((bad for bad in (Level.FAIL, Level.WARN) if bad in levels), Level.OK)


def _same_versions(nodes: Sequence[NodeFacts]) -> Finding:
    names = sorted({name for node in nodes for name in node.versions})
    told = {name: {node.versions.get(name, "missing") for node in nodes} for name in names}
    mixed = {name: versions for name, versions in told.items() if len(versions) > 1}
    if not mixed:
        said = ", ".join(f"{name} {min(versions)}" for name, versions in told.items())
        return Finding(check="versions", level=Level.OK, found=said)
    said = "; ".join(f"{name}: {', '.join(sorted(v))}" for name, v in mixed.items())
    return Finding(
        check="versions",
        level=Level.FAIL,
        found=f"the nodes differ in {said}",
        fix="install the same versions on every node: answers are bit-identical only then",
    )


def _room(node: NodeFacts) -> Iterable[Finding]:
    yield _enough(
        f"memory of {node.node}", node.memory_bytes, _MEMORY_BYTES, "lower slots.per_node"
    )
    fix = "free some: Ray stops placing work on a full disk"
    yield _enough(f"disk of {node.node}", node.disk_bytes, _DISK_BYTES, fix)
    if node.shm_bytes is not None:
        fix = "enlarge /dev/shm (docker run --shm-size): Ray keeps objects there"
        yield _enough(f"/dev/shm of {node.node}", node.shm_bytes, _SHM_BYTES, fix)


def _enough(check: str, there: int, wanted: int, fix: str) -> Finding:
    said = f"{there / GIB:.1f} GiB free"
    if there >= wanted:
        return Finding(check=check, level=Level.OK, found=said)
    return Finding(check=check, level=Level.WARN, found=said, fix=fix)


def _store(node: NodeFacts) -> Finding:
    check = f"store from {node.node}"
    if node.store_error is None:
        return Finding(check=check, level=Level.OK, found="written, read and removed an object")
    fix = "every node has to reach it under the same name, with the same rights and keys"
    return Finding(check=check, level=Level.FAIL, found=node.store_error, fix=fix)


def _gpu(node: NodeFacts, *, wanted: bool) -> Finding:
    check = f"GPUs of {node.node}"
    if node.gpu_error is None:
        return Finding(check=check, level=Level.OK, found=f"torch computes on {node.gpus:g}")
    level = Level.FAIL if wanted else Level.WARN
    fix = "until then what reserves one computes on the CPU there"
    return Finding(check=check, level=level, found=node.gpu_error, fix=fix)


def _too_few_gpus(setting: str, wanted: float) -> Finding:
    effects = {
        "slots.gpus": "until then slots compute on CPUs",
        "expansion.gpus": "until then tasks wait to be learned",
    }
    return Finding(
        check=setting,
        level=Level.WARN,
        found=f"it asks for {wanted:g}, and no node has so many GPUs",
        fix=f"add a node that has, or set {setting} to 0; {effects[setting]}",
    )


def _clock(node: NodeFacts) -> Finding:
    said = f"{node.clock_s:+.2f} s, ± {node.clock_error_s:.2f} s"
    check = f"clock of {node.node}"
    if abs(node.clock_s) - node.clock_error_s <= _SKEW_S:
        return Finding(check=check, level=Level.OK, found=said)
    fix = "run chrony or another NTP client: object stores refuse requests from another time"
    return Finding(check=check, level=Level.WARN, found=said, fix=fix)


def _machine(machine: MachineFacts) -> Iterable[Finding]:
    token = machine.auth_mode == "token"
    yield Finding(
        check="Ray's token",
        level=Level.OK if token else Level.WARN,
        found=f"RAY_AUTH_MODE is {machine.auth_mode}",
        fix="" if token else "unset RAY_AUTH_MODE: whoever reaches Ray's ports may run code",
    )
    for path, mode in machine.open_files.items():
        yield Finding(
            check="secrets",
            level=Level.FAIL,
            found=f"{path} has permissions {mode:o}",
            fix=f"chmod 600 {path}",
        )
    yield _told("API keys", machine.exposed, "as the address needs", "sen keys add NAME")
    port = f"somebody else listens on {machine.port}" if machine.port_taken else None
    yield _told("HTTP port", port, f"{machine.port} is free or ours", "set serve.port")
    proxy = None if machine.haproxy else "HAProxy is not there"
    fix = "pip install 'ray[serve]' brings it; without it set RAY_SERVE_ENABLE_HA_PROXY=0"
    yield _told("HAProxy", proxy, "there", fix)
    stale = machine.stale_cluster
    said = f"{stale} names a cluster that does not answer" if stale else None
    yield _told("Ray's files", said, "no cluster of before", f"rm {stale}")


def _told(check: str, wrong: str | None, well: str, fix: str) -> Finding:
    if wrong is None:
        return Finding(check=check, level=Level.OK, found=well)
    return Finding(check=check, level=Level.FAIL, found=wrong, fix=fix)
