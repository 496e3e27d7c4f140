"""New versions of known tasks on a real cluster: better, smaller, shared, rolled back, removed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from cluster.async_client import connect_async
from cluster.errors import SenError, TaskInUse, UnknownTask, VersionUnknown
from cluster.messages import ExpansionStatus, Stage
from cluster.proposals import Proposal
from pathways import DataError, LearnConfig, TaskData, TrainConfig
from pathways.data.embedded import embedded_task
from pathways.revising import ImproveConfig
from tests.integration.conftest import Served

QUICK = TrainConfig(epochs=4, min_steps=100)


@pytest.fixture(scope="module")
def letters() -> tuple[TaskData, TaskData]:
    """Small letters: (train, test)."""
    return embedded_task("lower", train_per_class=120, test_per_class=20, seed=5)


@pytest.fixture(scope="module")
def few(served: Served, letters: tuple[TaskData, TaskData]) -> str:
    """A task that was learned from a few examples of every class, alone."""
    some = letters[0].shots(2, np.random.default_rng(0))
    how = LearnConfig(train=TrainConfig(epochs=2, min_steps=30), max_sources=0)
    served.client.learn("few", some, how).wait(timeout_s=150)
    served.wait_for("few")
    return "few"


def write_npz(path: Path, data: TaskData) -> Path:
    np.savez(path, x=data.x, y=data.y, labels=np.array(data.labels))
    return path


def ended(served: Served, reply: httpx.Response) -> dict[str, Any]:
    """The expansion that a reply accepted, at its end."""
    assert reply.status_code == 202, reply.text
    until = time.monotonic() + 150
    while True:
        status: dict[str, Any] = served.http.get(reply.headers["Location"]).json()
        if status["stage"] not in ("waiting", "learning"):
            return status
        assert time.monotonic() < until, status
        time.sleep(0.1)


def in_service(served: Served, task: str) -> str:
    return str(served.client.network().registry.entry(task).id)


def accuracy(served: Served, task: str, data: TaskData) -> float:
    answers = served.client.predict(data.x, task=task)
    return float(np.mean([a.label == data.labels[c] for a, c in zip(answers, data.y, strict=True)]))


def test_a_task_is_improved_from_a_later_one_and_rolled_back(
    served: Served, few: str, letters: tuple[TaskData, TaskData]
) -> None:
    train, test = letters
    before = accuracy(served, few, test)
    how = ImproveConfig(train=QUICK)
    status = served.client.improve(few, train, source="upper", how=how).wait(timeout_s=150)
    assert status.stage is Stage.LEARNED
    assert status.outcome is not None and "better" in status.outcome
    assert in_service(served, few) == "few@2"
    assert accuracy(served, few, test) > before
    entry = served.client.network().registry.entry(few)
    assert entry.spec.revision is not None and entry.spec.revision.kind == "improved"
    assert str(entry.spec.source) == "upper@1"

    done = served.client.rollback(few)
    assert (str(done.pathway), in_service(served, few)) == ("few@1", "few@1")
    assert accuracy(served, few, test) == before
    with pytest.raises(VersionUnknown, match="no earlier version"):
        served.client.rollback(few)
    reply = served.http.post("/v1/tasks/few/rollback", json={"version": 2})
    assert reply.json()["pathway"] == "few@2"
    versions = served.http.get("/v1/tasks/few/versions").json()["versions"]
    assert [(v["pathway"], v["in_service"], v["revision"]) for v in versions] == [
        ("few@1", False, None),
        ("few@2", True, "improved"),
    ]


def test_what_is_not_proven_better_is_not_served(
    served: Served, data: dict[str, tuple[TaskData, TaskData]]
) -> None:
    version = served.client.network().registry.version
    how = ImproveConfig(train=TrainConfig(epochs=1, min_steps=1, learning_rate=1e-6))
    train, test = data["digits"]
    improving = served.client.improve("digits", train, source="upper", held_out=test, how=how)
    status = improving.wait(timeout_s=150)
    assert status.stage is Stage.UNCHANGED
    assert status.outcome
    assert in_service(served, "digits") == "digits@1"
    assert served.client.network().registry.version == version


def test_a_task_is_pruned_over_http(
    served: Served, few: str, letters: tuple[TaskData, TaskData], tmp_path: Path
) -> None:
    before = served.client.network().registry.entry(few).spec
    path = write_npz(tmp_path / "letters.npz", letters[0])
    body = {"path": str(path), "options": {"max_loss": 0.05}}
    status = ended(served, served.http.post("/v1/tasks/few/prune", json=body))
    assert status["stage"] == "learned", status
    after = served.client.network().registry.entry(few).spec
    assert (after.id.version, after.revision and after.revision.kind) == (3, "pruned")
    assert after.parameters < before.parameters
    assert accuracy(served, few, letters[1]) > 0.6


def test_a_new_task_shares_units_of_a_known_one(
    served: Served, few: str, letters: tuple[TaskData, TaskData], tmp_path: Path
) -> None:
    new, _ = embedded_task("upper", train_per_class=60, test_per_class=20, seed=6)
    files = {
        "file": ("new.npz", write_npz(tmp_path / "new.npz", new).read_bytes()),
        "shared": ("old.npz", write_npz(tmp_path / "old.npz", letters[0]).read_bytes()),
    }
    options = '{"share_with": "few", "forget_budget": 0.2, "epochs": 3}'
    fields = {"task": "sharing", "options": options}
    status = ended(served, served.http.post("/v1/learn", data=fields, files=files))
    assert status["stage"] == "learned", status
    registry = served.client.network().registry
    assert str(registry.entry("sharing").spec.source) == str(registry.entry(few).id) == "few@4"
    served.wait_for("sharing")
    assert [str(a.pathway) for a in served.client.predict(new.x[:1], task="sharing")[0].activated]


def test_orders_that_make_no_sense_are_refused(
    served: Served, few: str, letters: tuple[TaskData, TaskData], tmp_path: Path
) -> None:
    client, (train, test) = served.client, letters
    refused: list[tuple[Callable[[], object], type[Exception], str]] = [
        (lambda: client.improve("nobody", train), UnknownTask, "nobody"),
        (lambda: client.improve(few, train, source=few), DataError, "from itself"),
        (lambda: client.prune("digits", train), DataError, "has the classes"),
        (lambda: client.rollback("nobody"), UnknownTask, "nobody"),
        (lambda: client.remove("nobody"), UnknownTask, "nobody"),
        (lambda: client.remove(few), TaskInUse, "sharing@1 read"),
    ]
    for ask, error, said in refused:
        with pytest.raises(error, match=said):
            ask()
    with pytest.raises(SenError, match="held"):
        client.improve(few, train, held_out=train).wait(timeout_s=150)
    path = str(write_npz(tmp_path / "letters.npz", test))
    for method, url, body, wanted in (
        ("POST", "/v1/tasks/nobody/improve", {"path": path}, 404),
        ("POST", "/v1/tasks/few/improve", {"path": path, "options": {"sauce": 1}}, 422),
        ("POST", "/v1/tasks/few/prune", {"path": path, "options": {"max_loss": 2}}, 422),
        ("POST", "/v1/tasks/few/rollback", {"version": 99}, 404),
        ("POST", "/v1/learn", {"task": "n", "path": path, "shared_path": path}, 422),
        ("DELETE", "/v1/tasks/few", None, 409),
        ("DELETE", "/v1/tasks/nobody", None, 404),
    ):
        reply = served.http.request(method, url, json=body)
        assert reply.status_code == wanted, reply.text
        assert reply.json()["detail"]


def test_pairs_are_proposed(served: Served) -> None:
    proposals = served.http.get("/v1/proposals").json()["proposals"]
    places = served.client.network().registry.places
    assert proposals
    assert all(places[p["source"]] > places[p["task"]] for p in proposals)
    assert ("lower", "upper") in [(p["task"], p["source"]) for p in proposals]


def test_the_awaited_client_proposes_the_same(served: Served) -> None:
    async def ask() -> list[Proposal]:
        return await (await connect_async()).proposals()

    assert asyncio.run(ask()) == served.client.proposals()


def test_a_removed_task_leaves_its_readers_as_they_were(
    served: Served, few: str, letters: tuple[TaskData, TaskData]
) -> None:
    x = letters[1].x
    before = [a.probabilities for a in served.client.predict(x, task="sharing")]
    others = [a.probabilities for a in served.client.predict(x, task="lower")]
    reply = served.http.delete("/v1/tasks/few", params={"reroot": True})
    assert reply.status_code == 200, reply.text
    assert reply.json()["rerooted"] == ["sharing@2"]
    assert [a.probabilities for a in served.client.predict(x, task="sharing")] == before
    assert [a.probabilities for a in served.client.predict(x, task="lower")] == others
    with pytest.raises(UnknownTask):
        served.client.predict(x, task="few")
    dispatched = served.client.predict(x)
    assert not any(p.pathway.task == "few" for a in dispatched for p in a.activated)
    assert all(result.ok for result in served.client.verify())
    store = Path(served.config.store)
    assert not [p for p in store.glob("*/few/**/*") if p.is_file()]
    served.client.remove("sharing")


def test_a_removed_name_can_be_learned_again(
    served: Served, letters: tuple[TaskData, TaskData]
) -> None:
    some = letters[0].shots(10, np.random.default_rng(1))
    how = LearnConfig(train=QUICK, max_sources=0)
    status: ExpansionStatus = served.client.learn("few", some, how).wait(timeout_s=150)
    assert status.stage is Stage.LEARNED
    assert in_service(served, "few") == "few@5"
    assert served.client.predict(some.x[:1], task="few")[0].activated
    served.client.remove("few")
