"""Measuring a served network over HTTP, as its users meet it."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx
import numpy as np

from cluster.errors import SenError
from deploy.bodies import NPY
from pathways import TaskData

_BATCH = 200
_TIMEOUT_S = 120.0
_ALL_LABELS = 10_000

Prediction = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Score:
    """How one task's held-out inputs are answered; shares are 0..1."""

    task: str
    examples: int
    told: float
    """Right label with the task given."""
    dispatched: float
    """Right label with the dispatcher deciding."""
    right_first: float
    """The task's pathway is the more probable of those activated."""
    right_among_two: float
    """The task's pathway is among those activated."""
    unknown: float
    """Inputs said to fit no task."""
    active_share: float
    """Mean share of all weights used for an input, with the dispatcher deciding."""
    pathways: float
    """Mean number of pathways activated for an input."""


class HttpNetwork:
    """A served network at a URL."""

    def __init__(self, url: str) -> None:
        self._client = httpx.Client(base_url=url, timeout=_TIMEOUT_S)

    def __enter__(self) -> HttpNetwork:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._client.close()

    def predict(self, data: TaskData, task: str | None = None) -> list[Prediction]:
        """Predictions with all labels for every input; raises SenError for a refused request."""
        predictions: list[Prediction] = []
        for first in range(0, len(data), _BATCH):
            predictions += self._batch(data, slice(first, first + _BATCH), task)
        return predictions

    def _batch(self, data: TaskData, rows: slice, task: str | None) -> list[Prediction]:
        body = io.BytesIO()
        np.save(body, data.x[rows], allow_pickle=False)
        params: dict[str, str | int] = {
            "top": _ALL_LABELS,
            "rate_hz": data.signature.rate_hz,
            "kind": data.signature.modality,
        }
        reply = self._client.post(
            "/v1/predict",
            content=body.getvalue(),
            headers={"content-type": NPY},
            params=params | ({"task": task} if task else {}),
        )
        if reply.status_code != httpx.codes.OK:
            raise SenError(f"{reply.request.url} answered {reply.status_code}: {reply.text}")
        return list(reply.json()["predictions"])

    def tasks(self) -> list[str]:
        """Names of the tasks in service."""
        reply = self._client.get("/v1/tasks").raise_for_status()
        return [task["task"] for task in reply.json()["tasks"]]

    def score(self, task: str, data: TaskData, advance: Callable[[], None] = lambda: None) -> Score:
        """Send held-out data of a task, once with the task named and once without."""
        told = self.predict(data, task)
        advance()
        dispatched = self.predict(data)
        advance()
        return Score(
            task=task,
            examples=len(data),
            told=_right(told, data),
            dispatched=_right(dispatched, data),
            right_first=_share(_tasks(p)[:1] == [task] for p in dispatched),
            right_among_two=_share(task in _tasks(p) for p in dispatched),
            unknown=_share(p["unknown"] for p in dispatched),
            active_share=float(np.mean([p["active_share"] for p in dispatched])),
            pathways=float(np.mean([len(p["pathways"]) for p in dispatched])),
        )


def answers(predictions: list[Prediction]) -> list[list[tuple[str, float]]]:
    """Labels and probabilities only, to compare bit for bit."""
    return [[(q["label"], q["probability"]) for q in p["probabilities"]] for p in predictions]


def _tasks(prediction: Prediction) -> list[str]:
    return [part["pathway"].partition("@")[0] for part in prediction["pathways"]]


def _right(predictions: list[Prediction], data: TaskData) -> float:
    wanted = [data.labels[c] for c in data.y]
    return _share(p["label"] == label for p, label in zip(predictions, wanted, strict=True))


def _share(flags: Any) -> float:
    return float(np.mean([bool(flag) for flag in flags]))
