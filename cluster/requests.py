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
from numpy.typing import NDArray

from cluster.errors import StoreDamagedError
from cluster.messages import NewPair, WaitingTask
from cluster.names import parse_request_id
from cluster.store import Store
from pathways import LearnConfig, Signature, TaskData, TrainConfig
from pathways.data.paired import PairedData
from pathways.pairing import PairConfig
from pathways.weights import sha256

_ROOT = "requests"


@dataclass(frozen=True, kw_only=True)
class _About:
    """What request.json tells."""

    config: LearnConfig
    labels: tuple[str, ...]
    signature: Signature
    data_sha256: str
    partner: _Partner | None = None


@dataclass(frozen=True, kw_only=True)
class _Partner:
    """What it tells of the second task of a pair."""

    task: str
    config: LearnConfig
    labels: tuple[str, ...]
    signature: Signature
    pairing: PairConfig


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

    def add_pair(self, request: str, pair: NewPair) -> None:
        """Make a request of two tasks durable."""
        data = pair.data
        arrays = _pair_arrays(data)
        about = _fields(pair.configs[0], data.first, sha256(arrays))
        about["partner"] = {
            "task": pair.tasks[1],
            "config": asdict(pair.configs[1]),
            "labels": data.second.labels,
            "signature": data.second.signature.key,
            "pairing": asdict(pair.pairing),
        }
        self._store.write_all_new({f"{_ROOT}/{request}/data.safetensors": arrays})
        self._store.write_all_new({f"{_ROOT}/{request}/request.json": json.dumps(about).encode()})

    def waiting(self, request: str) -> WaitingTask | None:
        """The request, or None if it was cut off before it was acknowledged."""
        if not self._store.exists(f"{_ROOT}/{request}/request.json"):
            return None
        parsed = parse_request_id(request)
        assert parsed is not None, request
        about = self._about(request)
        return WaitingTask(
            request=request,
            task=parsed[1],
            config=about.config,
            partner=about.partner.task if about.partner else None,
        )

    def data(self, request: str) -> TaskData:
        """The task's examples; raises StoreDamagedError if they cannot be read."""
        about = self._about(request)
        arrays = self._arrays(request, about)
        return TaskData(
            x=arrays["x"], y=arrays["y"], labels=about.labels, signature=about.signature
        )

    def pair(self, request: str) -> NewPair:
        """Both tasks of a pair; raises StoreDamagedError if they cannot be read."""
        about, first = self._about(request), self.data(request)
        other, parsed = about.partner, parse_request_id(request)
        assert other is not None and parsed is not None, request
        arrays = self._arrays(request, about)
        x, y = arrays["second.x"], arrays["second.y"]
        return NewPair(
            tasks=(parsed[1], other.task),
            data=PairedData(
                first=first,
                second=TaskData(x=x, y=y, labels=other.labels, signature=other.signature),
                x_first=arrays["pairs.first"],
                x_second=arrays["pairs.second"],
            ),
            configs=(about.config, other.config),
            pairing=other.pairing,
        )

    def _arrays(self, request: str, about: _About) -> dict[str, NDArray[Any]]:
        name = f"{_ROOT}/{request}/data.safetensors"
        body = self._store.read(name)
        if sha256(body) != about.data_sha256:
            raise StoreDamagedError(
                f"{self._store.path(name)} is damaged: its SHA-256 is not the one it was written "
                "with; learn the task again"
            )
        return dict(safetensors.numpy.load(body))

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


def _pair_arrays(data: PairedData) -> bytes:
    arrays = {
        "x": data.first.x,
        "y": data.first.y,
        "second.x": data.second.x,
        "second.y": data.second.y,
        "pairs.first": data.x_first,
        "pairs.second": data.x_second,
    }
    return safetensors.numpy.save({n: np.ascontiguousarray(a) for n, a in arrays.items()})


def _describe(config: LearnConfig, data: TaskData, data_sha256: str) -> bytes:
    return json.dumps(_fields(config, data, data_sha256)).encode()


def _fields(config: LearnConfig, data: TaskData, data_sha256: str) -> dict[str, Any]:
    return {
        "config": asdict(config),
        "labels": data.labels,
        "signature": data.signature.key,
        "data_sha256": data_sha256,
    }


def _read_about(fields: dict[str, Any]) -> _About:
    return _About(
        config=_read_config(fields["config"]),
        labels=tuple(fields["labels"]),
        signature=Signature.parse(fields["signature"]),
        data_sha256=fields["data_sha256"],
        partner=_read_partner(fields["partner"]) if "partner" in fields else None,
    )


def _read_partner(fields: dict[str, Any]) -> _Partner:
    return _Partner(
        task=fields["task"],
        config=_read_config(fields["config"]),
        labels=tuple(fields["labels"]),
        signature=Signature.parse(fields["signature"]),
        pairing=PairConfig(**fields["pairing"]),
    )


def _read_config(fields: dict[str, Any]) -> LearnConfig:
    return LearnConfig(**{**fields, "train": TrainConfig(**fields["train"])})
