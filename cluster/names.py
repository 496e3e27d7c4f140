"""Names in the Ray cluster and paths in the store: rendered and parsed here only."""

from __future__ import annotations

import re

from cluster.places import Seat
from pathways import PathwayId

NAMESPACE = "sen"
CONTROLLER = "sen:controller"
JOBS = "jobs"  # store directory of running Train jobs, removed when they end
DISPATCHER = "sen:dispatcher"

_SLOT = re.compile(r"sen:slot:([0-9a-z]+):(\d+)")
_REQUEST = re.compile(r"(\d{8})-([a-z0-9][a-z0-9._-]*)")
_CHANGE = re.compile(r"(\d{12})(\.snapshot)?\.json")


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


def change_path(version: int) -> str:
    """Store path of the change that made network `version`."""
    return f"registry/{version:012d}.json"


def snapshot_path(version: int) -> str:
    """Store path of the whole registry as of network `version`."""
    return f"registry/{version:012d}.snapshot.json"


def parse_registry_file(name: str) -> tuple[int, bool] | None:
    """(version, is snapshot) of a file in `registry/`, or None for another file."""
    match = _CHANGE.fullmatch(name)
    return (int(match[1]), bool(match[2])) if match else None


def weights_path(pathway: PathwayId, sha256: str) -> str:
    """Store path of a weight file; the hash in it makes the path immutable."""
    return f"pathways/{pathway.task}/{pathway.version}-{sha256[:16]}/weights.safetensors"


def spec_path(pathway: PathwayId, sha256: str) -> str:
    """Store path of the spec beside the weight file of that hash."""
    return f"pathways/{pathway.task}/{pathway.version}-{sha256[:16]}/spec.json"


def statistics_path(pathway: PathwayId, sha256: str) -> str:
    """Store path of what the router learned from the task."""
    return f"router/{pathway.task}/{pathway.version}-{sha256[:16]}.safetensors"
