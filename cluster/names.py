"""Names in the Ray cluster and paths in the store: rendered and parsed here only."""

from __future__ import annotations

import re
from dataclasses import dataclass

from cluster.places import Seat
from pathways import PathwayId

NAMESPACE = "sen"
CONTROLLER = "sen:controller"
JOBS = "jobs"  # store directory of running Train jobs, removed when they end
DISPATCHER = "sen:dispatcher"

_SLOT = re.compile(r"sen:slot:([0-9a-z]+):(\d+)")
_REQUEST = re.compile(r"(\d{8})-([a-z0-9][a-z0-9._-]*)")
_ROUTER = re.compile(r"(\d{12})-([0-9a-f]{16})\.safetensors")
_CHANGE = re.compile(r"(\d{12})\.json")
_SNAPSHOT = re.compile(r"(\d{12})\.snapshot(?:\.json|-([0-9a-f]{16})\.zst)")


def slot_actor_name(seat: Seat) -> str:
    """Name of a slot's actor: its node and its number there, for example `sen:slot:4fbe3c16:3`.

    So a slot whose process was lost is found again, and always where it is thought to be.
    """
    return f"sen:slot:{seat.node}:{seat.number}"


def parse_slot_actor_name(name: str) -> Seat | None:
    """Where the slot is, or None if `name` is another actor's."""
    match = _SLOT.fullmatch(name)
    return Seat(node=match[1], number=int(match[2])) if match else None


def request_id(sequence: int, task: str) -> str:
    """Id of an expansion, sortable by arrival: `00000003-upper`."""
    return f"{sequence:08d}-{task}"


def parse_request_id(text: str) -> tuple[int, str] | None:
    """(sequence, task) of a request id, or None if it is none."""
    match = _REQUEST.fullmatch(text)
    return (int(match[1]), match[2]) if match else None


def request_path(request: str, file: str = "request.json") -> str:
    """Store path of a file of a waiting expansion, by default its description."""
    return f"requests/{request}/{file}"


def change_path(version: int) -> str:
    """Store path of the change that made network `version`."""
    return f"registry/{version:012d}.json"


def snapshot_path(version: int, sha256: str) -> str:
    """Store path of the whole registry as of network `version`; the hash proves it undamaged."""
    return f"registry/{version:012d}.snapshot-{sha256[:16]}.zst"


@dataclass(frozen=True, kw_only=True)
class RegistryFile:
    """What the name of a file in `registry/` tells."""

    name: str
    version: int
    snapshot: bool
    """The whole as of this version, not the change that made it."""
    sha256: str | None = None
    """Beginning of a snapshot's hash; None for a change, and for a snapshot of an old store."""


def parse_registry_file(name: str) -> RegistryFile | None:
    """A file in `registry/`, or None for one that is none of ours."""
    if match := _CHANGE.fullmatch(name):
        return RegistryFile(name=name, version=int(match[1]), snapshot=False)
    if match := _SNAPSHOT.fullmatch(name):
        return RegistryFile(name=name, version=int(match[1]), snapshot=True, sha256=match[2])
    return None


def registry_path(name: str) -> str:
    """Store path of a file in `registry/`."""
    return f"registry/{name}"


def weights_path(pathway: PathwayId, sha256: str) -> str:
    """Store path of a weight file; the hash in it makes the path immutable."""
    return f"pathways/{pathway.task}/{pathway.version}-{sha256[:16]}/weights.safetensors"


def spec_path(pathway: PathwayId, sha256: str) -> str:
    """Store path of the spec beside the weight file of that hash."""
    return f"pathways/{pathway.task}/{pathway.version}-{sha256[:16]}/spec.json"


def statistics_path(pathway: PathwayId, sha256: str) -> str:
    """Store path of what the router learned from the task."""
    return f"router/{pathway.task}/{pathway.version}-{sha256[:16]}.safetensors"


def router_directory(signature_key: str) -> str:
    """Store directory of a signature's whole routers."""
    return f"routers/{signature_key}"


def router_path(signature_key: str, version: int, sha256: str) -> str:
    """Store path of a signature's whole router as of network `version`."""
    return f"{router_directory(signature_key)}/{version:012d}-{sha256[:16]}.safetensors"


def parse_router_file(name: str) -> tuple[int, str] | None:
    """(version, hash) of a file in a directory of whole routers, or None for another file."""
    match = _ROUTER.fullmatch(name)
    return (int(match[1]), match[2]) if match else None
