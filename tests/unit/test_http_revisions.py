"""Changing known tasks over HTTP: what is taken, and what is refused."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cluster.orders import HELD_OUT, SHARED, Improve, Prune, Share
from pathways import LearnConfig, TaskData, TrainConfig
from pathways.revising import ImproveConfig, PruneConfig, ShareConfig
from tests.unit.networks import LearnedNetwork, LocalSlots, Sets
from tests.unit.serving import Serving, serving


@pytest.fixture(scope="module")
def running(network: LearnedNetwork) -> Iterator[Serving]:
    with serving(LocalSlots(network), max_upload_bytes=5_000_000) as made:
        yield made


@pytest.fixture
def sen(running: Serving) -> Serving:
    running.controller.clear()
    return running


@pytest.fixture
def digits(sets: Sets) -> TaskData:
    return sets["digits"][1]


def npz(data: TaskData) -> bytes:
    out = io.BytesIO()
    np.savez(out, x=data.x, y=data.y, labels=np.array(data.labels))
    return out.getvalue()


def written(path: Path, data: TaskData) -> str:
    path.write_bytes(npz(data))
    return str(path)


def same(given: TaskData, wanted: TaskData) -> bool:
    return given.x.tobytes() == wanted.x.tobytes() and given.labels == wanted.labels


def test_improving_takes_paths_and_options(sen: Serving, digits: TaskData, tmp_path: Path) -> None:
    body = {
        "path": written(tmp_path / "digits.npz", digits),
        "held_out_path": written(tmp_path / "others.npz", digits),
        "options": {"source": "fashion", "significance": 0.01, "epochs": 3, "seed": 4},
    }
    reply = sen.http.post("/v1/tasks/digits/improve", json=body)
    assert reply.status_code == 202, reply.text
    assert reply.headers["Location"] == reply.json()["status"]
    ((task, data, order),) = sen.controller.taken
    how = ImproveConfig(significance=0.01, seed=4, train=TrainConfig(epochs=3))
    assert (task, order) == ("digits", Improve(source="fashion", how=how))
    assert same(data, digits)
    assert same(sen.controller.beside[0][HELD_OUT], digits)


def test_pruning_takes_uploads_and_tells_how_it_ended(sen: Serving, digits: TaskData) -> None:
    files = [("file", ("digits.npz", npz(digits))), ("held_out", ("more.npz", npz(digits)))]
    fields = {"options": json.dumps({"max_loss": 0.02, "keep": 9})}
    reply = sen.http.post("/v1/tasks/digits/prune", files=files, data=fields)
    assert reply.status_code == 202, reply.text
    ((_, data, order),) = sen.controller.taken
    assert order == Prune(how=PruneConfig(max_loss=0.02, keep=9))
    assert same(data, digits)
    assert same(sen.controller.beside[0][HELD_OUT], digits)
    events = sen.http.get(reply.json()["events"]).text
    assert "event: unchanged" in events
    assert "no smaller one is good enough" in events


def test_a_new_task_may_share_units(sen: Serving, sets: Sets, digits: TaskData) -> None:
    files = [("file", ("a.npz", npz(sets["lower"][1]))), ("shared", ("b.npz", npz(digits)))]
    options = {"share_with": "digits", "forget_budget": 0.03, "epochs": 2}
    fields = {"task": "small", "options": json.dumps(options)}
    reply = sen.http.post("/v1/learn", files=files, data=fields)
    assert reply.status_code == 202, reply.text
    ((task, data, order),) = sen.controller.taken
    learn = LearnConfig(train=TrainConfig(epochs=2))
    assert task == "small"
    assert order == Share(partner="digits", learn=learn, how=ShareConfig(budget=0.03))
    assert same(data, sets["lower"][1])
    assert same(sen.controller.beside[0][SHARED], digits)


def test_images_are_fitted_to_the_task(sen: Serving, digits: TaskData) -> None:
    large = np.repeat(np.repeat(digits.x, 2, axis=1), 2, axis=2)
    out = io.BytesIO()
    np.savez(out, x=large, y=digits.y, labels=np.array(digits.labels))
    files = [("file", ("large.npz", out.getvalue()))]
    reply = sen.http.post("/v1/tasks/digits/prune", files=files)
    assert reply.status_code == 202, reply.text
    assert sen.controller.taken[0][1].x.shape == digits.x.shape
    assert "resized" in reply.json()["notes"][0]


@pytest.mark.parametrize("version", [None, 3])
def test_a_version_is_rolled_back(sen: Serving, version: int | None) -> None:
    body = {} if version is None else {"version": version}
    reply = sen.http.post("/v1/tasks/digits/rollback", json=body)
    assert reply.status_code == 200, reply.text
    assert reply.json()["pathway"] == f"digits@{version or 1}"
    assert sen.controller.changes == [("rollback", "digits", version)]


def test_a_rollback_needs_no_body(sen: Serving) -> None:
    assert sen.http.post("/v1/tasks/digits/rollback").status_code == 200


def test_a_task_is_removed_with_leave_only(sen: Serving) -> None:
    assert sen.http.delete("/v1/tasks/digits").status_code == 409
    reply = sen.http.delete("/v1/tasks/digits", params={"reroot": "true"})
    assert reply.json()["dropped"] == ["digits@1"]
    assert sen.controller.changes == [("remove", "digits", False), ("remove", "digits", True)]


def test_pairs_are_proposed(sen: Serving) -> None:
    reply = sen.http.get("/v1/proposals", params={"most": 2}).json()
    assert [(p["task"], p["source"]) for p in reply["proposals"]] == [("lower", "upper")] * 2


@pytest.mark.parametrize(
    ("url", "body", "status", "said"),
    [
        ("/v1/tasks/nobody/improve", {}, 404, "no task is called 'nobody'"),
        ("/v1/tasks/digits/improve", {"options": {"sauce": 1}}, 422, "sauce"),
        ("/v1/tasks/digits/improve", {"options": {"significance": 0}}, 422, "significance"),
        ("/v1/tasks/digits/prune", {"options": {"max_loss": 1}}, 422, "max_loss"),
        ("/v1/tasks/digits/prune", {"options": {"keep": 0}}, 422, "keep"),
        ("/v1/tasks/digits/prune", {"held_out_path": "nowhere.npz"}, 422, "nowhere.npz"),
        ("/v1/learn", {"task": "n", "options": {"share_with": "digits"}}, 422, "the option alone"),
        ("/v1/learn", {"task": "n", "shared_path": "x.npz"}, 422, "the data alone"),
    ],
)
def test_what_makes_no_sense_is_refused(
    sen: Serving,
    digits: TaskData,
    tmp_path: Path,
    url: str,
    body: dict[str, Any],
    status: int,
    said: str,
) -> None:
    path = written(tmp_path / "digits.npz", digits)
    reply = sen.http.post(url, json={"path": path, **body})
    assert reply.status_code == status, reply.text
    assert said in reply.json()["detail"]
    assert sen.controller.taken == []


def test_uploads_of_a_known_task_name_none(sen: Serving, digits: TaskData) -> None:
    files = [("file", ("digits.npz", npz(digits)))]
    reply = sen.http.post("/v1/tasks/digits/prune", files=files, data={"task": "digits"})
    assert reply.status_code == 422
    assert "field 'task'" in reply.json()["detail"]


def test_all_methods_of_a_path_are_allowed(sen: Serving) -> None:
    reply = sen.http.options("/v1/tasks/digits")
    assert (reply.status_code, reply.headers["allow"]) == (405, "DELETE, GET")
