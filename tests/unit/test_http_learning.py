"""Learning over HTTP: what is taken, how it tells its progress, and what is refused."""

from __future__ import annotations

import asyncio
import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import torch

from cluster.messages import NewTask
from pathways.weights import pack
from tests.unit.fakes import FakeController, LearnedNetwork, LocalSlots, Sets
from tests.unit.serving import Serving, application, png, serving

X = np.stack([np.full((8, 8), value, np.uint8) for value in (10, 200)] * 2)
FILES = {f"{label}/{n}.png": png(X[n]) for n, label in enumerate("abab")}

Files = list[tuple[str, tuple[str, bytes]]]


@pytest.fixture(scope="module")
def running(network: LearnedNetwork) -> Iterator[Serving]:
    allowed = ("tests.unit.own_modules",)
    with serving(LocalSlots(network), modules=allowed, max_upload_bytes=1_000_000) as made:
        yield made


@pytest.fixture
def sen(running: Serving) -> Serving:
    running.controller.clear()
    return running


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, body in files.items():
            archive.writestr(name, body)
    return out.getvalue()


def npz(**arrays: Any) -> bytes:
    out = io.BytesIO()
    np.savez(out, **arrays)
    return out.getvalue()


NPZ = npz(x=X, y=np.array([0, 1, 0, 1]))


def files(named: dict[str, bytes]) -> Files:
    return [("file", (name, body)) for name, body in named.items()]


def upload(sen: Serving, sent: Files, task: str = "shapes", **fields: str) -> httpx.Response:
    return sen.http.post("/v1/learn", data={"task": task, **fields}, files=sent)


def problem(reply: httpx.Response, status: int) -> str:
    assert reply.headers["content-type"] == "application/problem+json", reply.text
    assert reply.status_code == reply.json()["status"] == status, reply.text
    detail = str(reply.json()["detail"])
    assert "/tmp" not in detail, "where uploads lie is nobody's business"
    return detail


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


WEIGHTS = pack({"layer.weight": torch.zeros(2, 2)})
OWN = {"family": "tests.unit.own_modules:Returns", "family_options": {"what": "hidden"}}


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


# --- what is refused


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "no JSON"),
        (b"[" * 9999, "no JSON"),
        (b"[]", "body"),
        (b'{"task": "a"}', "path"),
        (b'{"task": "a", "path": "/nowhere.npz"}', "does not exist"),
        (b'{"task": "a", "path": "\\u0000"}', "does not exist"),
        (b'{"task": "a", "path": "/dev/zero"}', "does not exist"),
        (b'{"task": "a", "path": "%s"}' % (b"a" * 5000), "cannot be read"),
        (b'{"task": "../a", "path": "/"}', "cannot name a task"),
        (b'{"task": "a", "path": "/", "more": 1}', "more: it is not known"),
        (b'{"task": "a", "path": "/", "options": {"epochs": 0}}', "options.epochs"),
        (b'{"task": "a", "path": "/", "options": {"epochs": 1e9}}', "options.epochs"),
        (b'{"task": "a", "path": "/", "options": {"seed": -1}}', "options.seed"),
        (b'{"task": "a", "path": "/", "options": {"shots": -1}}', "options.shots"),
        (b'{"task": "a", "path": "/", "options": {"threshold": 0}}', "options.threshold"),
        (b'{"task": "a", "path": "/", "options": {"family": "x"}}', "unknown family 'x'"),
    ],
)
def test_a_body_that_makes_no_sense_is_refused(sen: Serving, body: bytes, message: str) -> None:
    reply = sen.http.post("/v1/learn", content=body, headers={"content-type": "application/json"})
    assert message in problem(reply, 422)
    assert not sen.controller.taken


BIG = bytes(2_000_000)


@pytest.mark.parametrize(
    ("name", "body", "message"),
    [
        ("t.zip", b"PK", "no archive"),
        ("t.zip", zipped(FILES)[:-30], "no archive"),
        ("t.zip", zipped({}), "is empty"),
        ("t.zip", zipped({**FILES, "../../etc/passwd": b"x"}), "no plain name"),
        ("t.zip", zipped({**FILES, "/a/b.png": b"x"}), "no plain name"),
        ("t.zip", zipped({**FILES, "a\\b.png": b"x"}), "no plain name"),
        ("t.zip", zipped({**FILES, "c.png": b"x"}), "lies in no class folder"),
        ("t.zip", zipped({**FILES, "a/inner.zip": b"x"}), "archive inside"),
        ("t.zip", zipped({**FILES, f"a/{'x' * 300}.png": b"x"}), "too long a name"),
        ("t.zip", zipped({"a/0.png": FILES["a/0.png"][:40], "b/0.png": b""}), "a/0.png"),
        ("t.zip", zipped(FILES, zipfile.ZIP_BZIP2), "unusual way"),
        ("t.zip", zipped(FILES, zipfile.ZIP_LZMA), "unusual way"),
        ("t.zip", NPZ, "lies in no class folder"),
        ("t.npz", zipped(FILES), "no array x"),
        ("t.npz", NPZ[:100], "no .npz archive"),
        ("t.npz", npz(x=X, y=np.array([0, 0, 0, 0])), "one class only"),
        ("t.parquet", b"PAR1", "cannot be read as Parquet"),
        ("t.png", FILES["a/0.png"], "lies in no class folder"),
        ("a/0.png", FILES["a/0.png"], "one class only"),
        ("t.tar.gz", b"x", "archive inside"),
    ],
)
def test_an_upload_that_cannot_be_used_is_refused(
    sen: Serving, name: str, body: bytes, message: str
) -> None:
    assert message in problem(upload(sen, [("file", (name, body))]), 422)
    assert not sen.controller.taken


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("t.zip", zipped({"a/0.png": BIG})),
        ("t.npz", npz(x=BIG, y=BIG)),
        ("t.zip", BIG),
    ],
)
def test_too_large_an_upload_is_refused(sen: Serving, name: str, body: bytes) -> None:
    assert "limit" in problem(upload(sen, [("file", (name, body))]), 413)


def test_pictures_that_unpack_hugely_are_refused(sen: Serving) -> None:
    bomb = png(np.zeros((3000, 3000), np.uint8))
    reply = upload(sen, files({"a/0.png": bomb, "b/0.png": bomb}))
    assert "memory when decoded" in problem(reply, 413)


def test_a_form_that_lacks_something_is_refused(sen: Serving) -> None:
    post = sen.http.post
    assert "no field 'task'" in problem(post("/v1/learn", files=files(FILES)), 422)
    assert "no field 'task'" in problem(post("/v1/learn", files={"task": ("t", b"x")}), 422)
    assert "a field 'epochs'" in problem(upload(sen, files(FILES), epochs="3"), 422)
    assert "options" in problem(upload(sen, files(FILES), options='{"epochs": "many"}'), 422)
    assert "no JSON" in problem(upload(sen, files(FILES), options="{"), 422)
    assert "sent twice" in problem(upload(sen, files(FILES) * 2), 422)
    twice = sen.http.post("/v1/learn", content=b"x", headers={"content-type": "text/plain"})
    assert "text/plain cannot be read" in problem(twice, 415)
    broken = {"content-type": "multipart/form-data; boundary=x"}
    for body in (b"", b"--x\r\n", b"--x\r\nno head", b"\0" * 99):
        reply = sen.http.post("/v1/learn", content=body, headers=broken)
        assert 400 <= reply.status_code < 500, reply.text


def test_a_name_that_is_taken_is_refused(sen: Serving) -> None:
    assert "is learned already" in problem(upload(sen, files(FILES), task="digits"), 409)
    assert upload(sen, files(FILES)).status_code == 202
    assert "is waiting already" in problem(upload(sen, files(FILES)), 409)


@pytest.mark.parametrize(
    ("family", "message"),
    [
        ("os:system", "os:system may not be used over HTTP; .* expansion.modules"),
        ("tests.unit.own_modules_of_another:Net", "may not be used over HTTP"),
        ("tests.unit:own_modules", "may not be used over HTTP"),
        (":Net", "may not be used over HTTP"),
    ],
)
def test_a_module_that_is_not_allowed_is_not_even_imported(
    sen: Serving, family: str, message: str
) -> None:
    reply = upload(sen, files(FILES), options=json.dumps({"family": family}))
    assert re.search(message, problem(reply, 422))
    assert not sen.controller.taken


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"family": "tests.unit.own_modules:Conv", "family_options": {"x": 1}}, "argument 'x'"),
        ({"family": "tests.unit.own_modules:NoModule"}, "must name a class of torch.nn.Module"),
        ({"family_options": {"hidden": 0}}, "hidden of family mlp must be 1 or more"),
        ({"family": "forest", "family_options": {"oaks": 3}}, "no option 'oaks'"),
        ({"family": "forest", "shots": 0}, "cannot be learned from links alone"),
        ({"family": "torchvision"}, "needs weights to start from"),
    ],
)
def test_a_family_that_cannot_be_asked_for_so_is_refused(
    sen: Serving, options: dict[str, Any], message: str
) -> None:
    assert message in problem(upload(sen, files(FILES), options=json.dumps(options)), 422)
    assert not sen.controller.taken


def test_a_file_to_start_from_that_cannot_be_used_is_refused(sen: Serving) -> None:
    def sent(*bodies: bytes) -> Files:
        return [*files(FILES), *(("weights", ("net.pth", body)) for body in bodies)]

    own = json.dumps(OWN)
    pickled = upload(sen, sent(b"PK"), options=own)
    assert "is no safetensors file" in problem(pickled, 422)
    assert "leave the file out" in problem(upload(sen, sent(WEIGHTS)), 422)
    assert "2 files of weights" in problem(upload(sen, sent(WEIGHTS, WEIGHTS), options=own), 422)
    alone = upload(sen, [("weights", ("net.safetensors", WEIGHTS))], options=own)
    assert "the form holds no file" in problem(alone, 422)
    assert not sen.controller.taken


def test_a_family_for_other_data_is_refused(sen: Serving) -> None:
    reply = upload(sen, files(FILES), options='{"family": "melcnn"}')
    assert "reads audio inputs" in problem(reply, 422)


ROWS = "a,b,price\n" + "".join(f"{n},{n % 3},{n * 2.5}\n" for n in range(20))


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


def test_a_table_without_a_column_to_learn_is_refused(sen: Serving) -> None:
    reply = upload(sen, files({"houses.csv": ROWS.encode()}), "houses")
    assert "no column label or target; its columns are a, b, price" in problem(reply, 422)
    assert not sen.controller.taken
