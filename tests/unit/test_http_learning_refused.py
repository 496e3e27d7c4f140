"""Learning over HTTP: what is refused."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from tests.unit.guarded import problem
from tests.unit.networks import LearnedNetwork
from tests.unit.serving import Serving, png
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


def test_a_table_without_a_column_to_learn_is_refused(sen: Serving) -> None:
    reply = upload(sen, files({"houses.csv": ROWS.encode()}), "houses")
    assert "no column label or target; its columns are a, b, price" in problem(reply, 422)
    assert not sen.controller.taken
