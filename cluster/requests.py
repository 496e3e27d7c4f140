"""Waiting expansions in the store: what was acknowledged is not lost.

A request is two files, data first, so that a request whose description exists is complete.
Both are removed once the task is learned, so no data of earlier tasks is kept.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import safetensors.numpy

from cluster.errors import StoreDamagedError
from cluster.messages import WaitingTask
from cluster.names import parse_request_id
from cluster.store import Store
from pathways import LearnConfig, Signature, TaskData, TrainConfig
from pathways.weights import sha256

_ROOT = "requests"


@dataclass(frozen=True, kw_only=True)
class _About:
    """What request.json tells."""

    config: LearnConfig
    labels: tuple[str, ...]
    signature: Signature
    data_sha256: str


class RequestLog:
    """Reads and writes waiting expansions."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def ids(self) -> list[str]:
        """Ids of all requests in order of arrival, complete or not."""
        return [name for name in self._store.list(_ROOT) if parse_request_id(name)]

    def add(self, requests: Mapping[str, tuple[LearnConfig, TaskData]]) -> None:
        """Make requests durable, given by id; many take little longer than one."""
        data, about = {}, {}
        for request, (config, given) in requests.items():
            arrays = _arrays(given)
            data[f"{_ROOT}/{request}/data.safetensors"] = arrays
            about[f"{_ROOT}/{request}/request.json"] = _describe(config, given, sha256(arrays))
        self._store.write_all_new(data)
        self._store.write_all_new(about)

    def waiting(self, request: str) -> WaitingTask | None:
        """The request, or None if it was cut off before it was acknowledged."""
        if not self._store.exists(f"{_ROOT}/{request}/request.json"):
            return None
        parsed = parse_request_id(request)
        assert parsed is not None, request
        return WaitingTask(request=request, task=parsed[1], config=self._about(request).config)

    def data(self, request: str) -> TaskData:
        """The task's examples; raises StoreDamagedError if they cannot be read."""
        about = self._about(request)
        name = f"{_ROOT}/{request}/data.safetensors"
        body = self._store.read(name)
        if sha256(body) != about.data_sha256:
            raise StoreDamagedError(
                f"{self._store.path(name)} is damaged: its SHA-256 is not the one it was written "
                "with; learn the task again"
            )
        arrays = safetensors.numpy.load(body)
        return TaskData(
            x=arrays["x"],
            y=arrays["y"],
            labels=about.labels,
            signature=about.signature,
            values=arrays.get("values"),
        )

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
    given = {"x": data.x, "y": data.y}
    if data.values is not None:
        given["values"] = data.values
    return safetensors.numpy.save({k: np.ascontiguousarray(a) for k, a in given.items()})


def _describe(config: LearnConfig, data: TaskData, data_sha256: str) -> bytes:
    about = {
        "config": asdict(config),
        "labels": data.labels,
        "signature": data.signature.key,
        "data_sha256": data_sha256,
    }
    return json.dumps(about).encode()


def _read_about(fields: dict[str, Any]) -> _About:
    config = dict(fields["config"])
    config["train"] = TrainConfig(**config["train"])
    return _About(
        config=LearnConfig(**config),
        labels=tuple(fields["labels"]),
        signature=Signature.parse(fields["signature"]),
        data_sha256=fields["data_sha256"],
    )
