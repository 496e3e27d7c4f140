"""Waiting expansions in the store: what was acknowledged is not lost.

A request is two files, data first, so that a request whose description exists is complete.
Both are removed once the task is learned, so no data of earlier tasks is kept.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import safetensors.numpy
from safetensors import SafetensorError

from cluster.errors import StoreDamagedError
from cluster.messages import WaitingTask
from cluster.names import parse_request_id
from cluster.store import Store
from pathways import LearnConfig, Signature, TaskData, TrainConfig

_ROOT = "requests"


class RequestLog:
    """Reads and writes waiting expansions."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def ids(self) -> list[str]:
        """Ids of all requests in order of arrival, complete or not."""
        return [name for name in self._store.list(_ROOT) if parse_request_id(name)]

    def add(self, request: str, config: LearnConfig, data: TaskData) -> None:
        """Make a request durable."""
        arrays = safetensors.numpy.save({"x": data.x, "y": data.y})
        self._store.write_new(f"{_ROOT}/{request}/data.safetensors", arrays)
        about = {
            "config": asdict(config),
            "labels": data.labels,
            "signature": data.signature.key,
        }
        self._store.write_new(f"{_ROOT}/{request}/request.json", json.dumps(about).encode())

    def waiting(self, request: str) -> WaitingTask | None:
        """The request, or None if it was cut off before it was acknowledged."""
        if not self._store.exists(f"{_ROOT}/{request}/request.json"):
            return None
        parsed = parse_request_id(request)
        assert parsed is not None, request
        config = dict(self._about(request)["config"])
        config["train"] = TrainConfig(**config["train"])
        return WaitingTask(request=request, task=parsed[1], config=LearnConfig(**config))

    def data(self, request: str) -> TaskData:
        """The task's examples; raises StoreDamagedError if they cannot be read."""
        about = self._about(request)
        name = f"{_ROOT}/{request}/data.safetensors"
        try:
            arrays = safetensors.numpy.load(self._store.read(name))
        except SafetensorError as error:
            raise StoreDamagedError(
                f"{self._store.path(name)} is damaged: {error}; learn the task again"
            ) from error
        return TaskData(
            x=arrays["x"],
            y=arrays["y"],
            labels=tuple(about["labels"]),
            signature=Signature.parse(about["signature"]),
        )

    def remove(self, request: str) -> None:
        """Forget a request that was learned or has failed."""
        self._store.delete_directory(f"{_ROOT}/{request}")

    def _about(self, request: str) -> dict[str, Any]:
        name = f"{_ROOT}/{request}/request.json"
        try:
            return dict(json.loads(self._store.read(name)))
        except ValueError as error:
            raise StoreDamagedError(
                f"{self._store.path(name)} is damaged: {error}; learn the task again"
            ) from error
