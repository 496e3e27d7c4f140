"""Learning over HTTP: what is taken, and how it tells its progress."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cluster.messages import NewTask
from tests.unit.fakes import FakeController
from tests.unit.guarded import problem
from tests.unit.networks import LearnedNetwork, LocalSlots, Sets
from tests.unit.serving import Serving, application
from tests.unit.uploads import (
    FILES,
    NPZ,
    OWN,
    ROWS,
    WEIGHTS,
    Files,
    X,
    files,
    learning_server,
    npz,
    upload,
    zipped,
)


@pytest.fixture(scope="module")
def running(network: LearnedNetwork) -> Iterator[Serving]:
    with learning_server(network) as made:
        yield made


@pytest.fixture
def sen(running: Serving) -> Serving:
    running.controller.clear()
    return running


def events(sen: Serving, expansion: str) -> list[tuple[str, Any]]:
    """(event, data) of the whole stream."""
    text = sen.http.get(f"/v1/expansions/{expansion}/events").text
    found = []
    for block in text.strip().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines())
        found.append((fields["event"], json.loads(fields["data"])))
    return found


# --- what is taken


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param([("file", ("task.npz", NPZ))], id="npz"),
        pytest.param([("file", ("task.zip", zipped(FILES)))], id="zip"),
        pytest.param(
            [("file", ("t.zip", zipped({f"outer/{n}": b for n, b in FILES.items()})))],
            id="zip of one folder",
        ),
        pytest.param(
            [("file", ("t.ZIP", zipped({**FILES, "__MACOSX/a/0.png": b"", "a/.DS_Store": b""})))],
            id="zip with litter",
        ),
        pytest.param(files(FILES), id="files"),
        pytest.param(files({f"dropped/{n}": b for n, b in FILES.items()}), id="dropped folder"),
    ],
)
def test_every_kind_of_upload_is_taken(sen: Serving, sent: Files) -> None:
    reply = upload(sen, sent)
    assert reply.status_code == 202, reply.text
    accepted = reply.json()
    assert reply.headers["location"] == accepted["status"] == "/v1/expansions/00000001-shapes"
    assert accepted["events"] == "/v1/expansions/00000001-shapes/events"
    ((task, data, _),) = sen.controller.taken
    assert (task, data.x.shape, len(data.labels)) == ("shapes", (4, 8, 8, 1), 2)
    np.testing.assert_array_equal(np.sort(data.x[:, 0, 0, 0]), [10, 10, 200, 200])


def test_nothing_of_an_upload_is_left_behind(
    sen: Serving, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert upload(sen, files(FILES)).status_code == 202
    assert upload(sen, [("file", ("t.zip", b"no zip"))], task="other").status_code == 422
    assert not list(tmp_path.iterdir())


def test_a_path_is_taken(sen: Serving, tmp_path: Path) -> None:
    (tmp_path / "task.npz").write_bytes(NPZ)
    body = {"task": "shapes", "path": str(tmp_path / "task.npz")}
    assert sen.http.post("/v1/learn", json=body).status_code == 202
    assert sen.controller.taken[0][0] == "shapes"


def test_options_become_the_configuration(sen: Serving) -> None:
    options = {
        "family": "cnn",
        "shots": 2,
        "epochs": 3,
        "augment": True,
        "mixed_precision": True,
        "threshold": 0.5,
        "seed": 9,
    }
    assert upload(sen, files(FILES), options=json.dumps(options)).status_code == 202
    config = sen.controller.taken[0][2]
    assert (config.family, config.shots, config.threshold, config.seed) == ("cnn", 2, 0.5, 9)
    assert (config.train.epochs, config.train.augment) == (3, True)
    assert config.train.mixed_precision


def test_conversions_are_noted(sen: Serving) -> None:
    reply = upload(sen, [("file", ("t.npz", npz(x=X / 255, y=np.array([0, 1, 0, 1]))))])
    assert "converted x" in " ".join(reply.json()["notes"])


def test_options_of_a_family_and_a_file_to_start_from_are_taken(
    sen: Serving, tmp_path: Path
) -> None:
    sent = [*files(FILES), ("weights", ("net.safetensors", WEIGHTS))]
    assert upload(sen, sent, options=json.dumps(OWN)).status_code == 202
    (tmp_path / "task.npz").write_bytes(NPZ)
    (tmp_path / "net.safetensors").write_bytes(WEIGHTS)
    body = {
        "task": "other",
        "path": str(tmp_path / "task.npz"),
        "options": OWN,
        "weights_path": str(tmp_path / "net.safetensors"),
    }
    assert sen.http.post("/v1/learn", json=body).status_code == 202
    for _, data, config in sen.controller.taken:
        assert len(data) == 4
        assert (config.family, config.options) == (OWN["family"], {"what": "hidden"})
    assert sen.controller.weights == [WEIGHTS, WEIGHTS]


# --- progress


def test_progress_is_told_until_the_task_is_learned(sen: Serving) -> None:
    id = upload(sen, files(FILES)).json()["expansion"]
    heard = events(sen, id)
    assert [name for name, _ in heard] == ["progress"] * 3 + ["learned"]
    stages = [data["stage"] for _, data in heard]
    assert stages == ["learning", "learning", "learning", "learned"]
    assert [data["epoch"] for _, data in heard] == [0, 1, 2, 2]
    assert heard[1][1]["loss"] is None, "NaN is no JSON"
    assert heard[-1][1]["network_version"] == 7
    assert events(sen, id) == heard[-1:], "the end is told to those who come late"


def test_a_failure_is_told(sen: Serving) -> None:
    id = upload(sen, files(FILES), task="failing").json()["expansion"]
    name, data = events(sen, id)[-1]
    assert (name, data["stage"], data["error"]) == ("failed", "failed", "as its name says")
    assert sen.http.get(f"/v1/expansions/{id}").json() == data
    assert sen.http.get("/v1/expansions").json()["expansions"] == [data]


def test_a_listener_that_leaves_leaves_nothing_behind(network: LearnedNetwork, sets: Sets) -> None:
    asyncio.run(asyncio.wait_for(listen_and_leave(LocalSlots(network), sets), timeout=30))


async def listen_and_leave(slots: LocalSlots, sets: Sets) -> None:
    controller = FakeController(endless=True)
    app = application(slots, controller)
    heard, left = asyncio.Event(), asyncio.Event()
    messages = iter([{"type": "http.request", "body": b"", "more_body": False}])

    async def receive() -> Any:
        if (message := next(messages, None)) is not None:
            return message
        await heard.wait()
        left.set()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        if b"event: progress" in message.get("body", b""):
            heard.set()

    async with app.router.lifespan_context(app):
        before = asyncio.all_tasks()
        (id,) = await controller.submit.remote([NewTask(task="shapes", data=sets["digits"][1])])
        path = f"/v1/expansions/{id}/events"
        scope = {"type": "http", "method": "GET", "path": path, "headers": [], "query_string": b""}
        await app(scope, receive, send)
        assert left.is_set()
        assert asyncio.all_tasks() == before
        looks = controller.looks
        await asyncio.sleep(0.5)
        assert controller.looks == looks, "nobody asks on for one who left"


def test_unknown_expansions_are_not_found(sen: Serving) -> None:
    for path in ("/v1/expansions/x", "/v1/expansions/x/events"):
        assert "no expansion has id 'x'" in problem(sen.http.get(path), 404)


def test_an_uploaded_csv_file_with_a_target_is_a_number_to_learn(sen: Serving) -> None:
    reply = upload(sen, files({"houses.csv": ROWS.encode()}), "houses", target="price")
    assert reply.status_code == 202, reply.text
    ((task, data, _),) = sen.controller.taken
    assert (task, data.output, data.labels, data.x.shape) == (
        "houses",
        "number",
        ("price",),
        (20, 2),
    )


def test_a_csv_file_at_a_path_is_learned_too(sen: Serving, tmp_path: Path) -> None:
    (tmp_path / "houses.csv").write_text(ROWS)
    body = {"task": "houses", "path": str(tmp_path / "houses.csv"), "target": "price"}
    assert sen.http.post("/v1/learn", json=body).status_code == 202
    ((_, data, _),) = sen.controller.taken
    assert data.labels == ("price",)
