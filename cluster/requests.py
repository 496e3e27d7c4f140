"""Waiting expansions in the store: what was acknowledged is not lost.

A request is a few files, data first, so that a request whose description exists is complete.
All are removed once the task is learned, so no data of earlier tasks is kept.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import safetensors.numpy

from cluster.errors import StoreDamagedError
from cluster.messages import NewTask, WaitingTask
from cluster.names import parse_request_id
from cluster.orders import TASK, Order, from_fields, to_fields
from cluster.store import Store
from pathways import Signature, TaskData
from pathways.weights import sha256

_ROOT = "requests"


@dataclass(frozen=True, kw_only=True)
class _Part:
    """What request.json tells of one file of data."""

    labels: tuple[str, ...]
    signature: Signature
    data_sha256: str


@dataclass(frozen=True, kw_only=True)
class _About:
    """What request.json tells."""

    config: Order
    parts: Mapping[str, _Part]
    """By role."""


class RequestLog:
    """Reads and writes waiting expansions."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def ids(self) -> list[str]:
        """Ids of all requests in order of arrival, complete or not."""
        return [name for name in self._store.list(_ROOT) if parse_request_id(name)]

    def add(self, requests: Mapping[str, NewTask]) -> None:
        """Make requests durable, given by id; many take little longer than one."""
        data, about = {}, {}
        for request, new in requests.items():
            arrays = {role: _arrays(given) for role, given in new.by_role.items()}
            data.update({_data_path(request, role): body for role, body in arrays.items()})
            about[f"{_ROOT}/{request}/request.json"] = _describe(new, arrays)
        self._store.write_all_new(data)
        self._store.write_all_new(about)

    def waiting(self, request: str) -> WaitingTask | None:
        """The request, or None if it was cut off before it was acknowledged."""
        if not self._store.exists(f"{_ROOT}/{request}/request.json"):
            return None
        parsed = parse_request_id(request)
        assert parsed is not None, request
        return WaitingTask(request=request, task=parsed[1], config=self._about(request).config)

    def data(self, request: str, role: str = TASK) -> TaskData:
        """The examples of one role; raises StoreDamagedError if they cannot be read."""
        part, name = self._about(request).parts[role], _data_path(request, role)
        body = self._store.read(name)
        if sha256(body) != part.data_sha256:
            raise StoreDamagedError(
                f"{self._store.path(name)} is damaged: its SHA-256 is not the one it was written "
                "with; learn the task again"
            )
        arrays = safetensors.numpy.load(body)
        return TaskData(x=arrays["x"], y=arrays["y"], labels=part.labels, signature=part.signature)

    def roles(self, request: str) -> frozenset[str]:
        """What data a request has; raises StoreDamagedError."""
        return frozenset(self._about(request).parts)

    def remove(self, request: str) -> None:
        """Forget a request that was learned or has failed."""
        self._store.delete_directory(f"{_ROOT}/{request}")

    def _about(self, request: str) -> _About:
        name = f"{_ROOT}/{request}/request.json"
        body = self._store.read(name)
        try:
            return _read_about(json.loads(body))
        except (ValueError, KeyError, TypeError) as error:
            raise StoreDamagedError(
                f"{self._store.path(name)} is damaged: {error}; learn the task again"
            ) from error


def _arrays(data: TaskData) -> bytes:
    # safetensors writes memory as it lies: arrays that are not in C order would be scrambled.
    x, y = np.ascontiguousarray(data.x), np.ascontiguousarray(data.y)
    return safetensors.numpy.save({"x": x, "y": y})


def _data_path(request: str, role: str) -> str:
    name = "data" if role == TASK else role
    return f"{_ROOT}/{request}/{name}.safetensors"


def _describe(new: NewTask, arrays: Mapping[str, bytes]) -> bytes:
    parts = {
        role: {
            "labels": data.labels,
            "signature": data.signature.key,
            "data_sha256": sha256(arrays[role]),
        }
        for role, data in new.by_role.items()
    }
    return json.dumps({"config": to_fields(new.config), "parts": parts}).encode()


def _read_about(fields: dict[str, Any]) -> _About:
    # Earlier releases wrote what is told of one file of data beside the settings.
    config, parts = fields["config"], fields.get("parts", {TASK: fields})
    return _About(
        config=from_fields(config),
        parts={role: _read_part(part) for role, part in parts.items()},
    )


def _read_part(fields: dict[str, Any]) -> _Part:
    return _Part(
        labels=tuple(fields["labels"]),
        signature=Signature.parse(fields["signature"]),
        data_sha256=fields["data_sha256"],
    )
