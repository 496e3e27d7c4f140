"""Who asks the network over HTTP from outside, all the time."""

from __future__ import annotations

import io
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import numpy as np

from pathways.data.embedded import embedded_task
from tests.cluster.hosts import until

TASKS = ("digits", "lower", "upper", "fashion")
_PAUSE_S = 0.3
_LONGEST_S = 90.0  # longer than any request may take (serve.request_timeout_s)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request and what came of it."""

    task: str
    seconds: float
    outcome: str
    """HTTP status, or the error of a connection."""
    labels: tuple[str, ...] = ()


class Asker:
    """A user somewhere else in the network, with an API key."""

    def __init__(self, url: str, key: str) -> None:
        self._http = httpx.Client(
            base_url=url, headers={"X-API-Key": key}, timeout=_LONGEST_S, trust_env=False
        )
        self._inputs = {
            task: embedded_task(task, train_per_class=1, test_per_class=1)[1].x[:4].tolist()
            for task in TASKS
        }

    def learn_all(self) -> list[str]:
        """Have every task learned; returns where to ask how that goes."""
        return [self._learn(task) for task in TASKS]

    def _learn(self, task: str) -> str:
        train, _ = embedded_task(task, train_per_class=20, test_per_class=1)
        file = io.BytesIO()
        np.savez(file, x=train.x, y=train.y, labels=np.array(train.labels))
        reply = self._http.post(
            "/v1/learn",
            data={"task": task, "options": json.dumps({"epochs": 3})},
            files={"file": (f"{task}.npz", file.getvalue())},
        )
        assert reply.status_code == 202, reply.text
        return str(reply.json()["status"])

    def get(self, path: str) -> Any:
        """The reply to a GET as JSON; asked again if the connection was closed."""
        for _ in range(3):
            try:
                reply = self._http.get(path)
                break
            except httpx.TransportError as error:
                closed = error
        else:
            raise closed
        assert reply.status_code == 200, reply.text
        return reply.json()

    def verified(self) -> bool:
        """Whether every task is what was learned."""
        reply = self._http.post("/v1/verify", timeout=300)
        assert reply.status_code == 200, reply.text
        return all(each["ok"] for each in reply.json()["tasks"])

    def slots(self) -> dict[str, list[str]]:
        """Node → pathways resident there."""
        held: dict[str, list[str]] = {}
        for slot in self.get("/v1/network")["slots"]:
            if slot["pathways"]:
                held.setdefault(slot["node"], []).extend(slot["pathways"])
        return held

    def ask(self, task: str) -> Asked:
        """Ask one task for its four inputs."""
        started, labels = time.monotonic(), ()
        try:
            body = {"inputs": self._inputs[task]}
            reply = self._http.post("/v1/predict", params={"task": task}, json=body)
            outcome = str(reply.status_code)
            if reply.status_code == 200:
                labels = tuple(each["label"] for each in reply.json()["predictions"])
        except httpx.HTTPError as error:
            outcome = type(error).__name__
        seconds = time.monotonic() - started
        return Asked(task=task, seconds=seconds, outcome=outcome, labels=labels)

    def answers(self) -> dict[str, tuple[str, ...]]:
        """Task → its labels, of tasks that answer."""
        asked = map(self.ask, TASKS)
        return {each.task: each.labels for each in asked if each.outcome == "200"}

    def until_all_answer(self, expected: Mapping[str, tuple[str, ...]], timeout_s: float) -> float:
        """Wait until all tasks answer as expected; returns how long that took, in seconds."""
        return until(lambda: self.answers() == expected, timeout_s, "all that was learned answers")

    @contextmanager
    def asking(self) -> Iterator[list[Asked]]:
        """Ask for every task again and again meanwhile; what came of it is in the list."""
        asked: list[Asked] = []
        stop = threading.Event()

        def ask(task: str) -> None:
            while not stop.wait(_PAUSE_S):
                asked.append(self.ask(task))

        threads = [threading.Thread(target=ask, args=(task,)) for task in TASKS]
        for thread in threads:
            thread.start()
        try:
            yield asked
        finally:
            stop.set()
            for thread in threads:
                thread.join()


def summary(asked: list[Asked]) -> str:
    """How many requests ended how, and the slowest of each kind."""
    counted = Counter(each.outcome for each in asked)
    slowest = {o: max(each.seconds for each in asked if each.outcome == o) for o in counted}
    return ", ".join(f"{n} x {o} (slowest {slowest[o]:.1f} s)" for o, n in counted.items())
