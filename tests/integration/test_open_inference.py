"""The served network as others' tools meet it: Triton's client, Schemathesis, event streams."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

from tests.integration.conftest import Served
from tests.integration.test_http import png

_STREAMS = 70  # more than a replica serves at once: those that were left must not be among them

# What is valid by its form may still fit no task: that is said with these.
_SCHEMATHESIS = """
[[operations]]
include-method = "POST"
checks.positive_data_acceptance.expected-statuses = [200, 202, 400, 404, 409, 413, 415, 422]
"""


@pytest.fixture(scope="module")
def client(served: Served) -> Iterator[Any]:
    with triton.InferenceServerClient(served.http.base_url.netloc.decode()) as made:
        yield made


def tensor(array: np.ndarray[Any, Any], datatype: str = "UINT8", binary: bool = True) -> Any:
    made = triton.InferInput("input", array.shape, datatype)
    return made.set_data_from_numpy(array, binary_data=binary)


def test_tritons_client_finds_models(client: Any) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("sen")
    assert client.is_model_ready("digits", "1")
    assert not client.is_model_ready("digits", "7")
    assert client.get_server_metadata()["extensions"] == ["binary_tensor_data"]
    about = client.get_model_metadata("lower")
    assert about["inputs"] == [{"name": "input", "datatype": "UINT8", "shape": [-1, 28, 28, 1]}]
    assert len(about["parameters"]["labels"]) == 26


@pytest.mark.parametrize("binary", [True, False])
def test_tritons_client_infers(client: Any, served: Served, binary: bool) -> None:
    data = served.test["digits"]
    result = client.infer("digits", [tensor(data.x, binary=binary)], request_id="mine")
    assert result.get_response()["id"] == "mine"
    p, labels = result.as_numpy("probabilities"), result.as_numpy("label")
    assert p.shape == (len(data), 10)
    np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-5)
    assert [label.decode() for label in labels] == [str(best) for best in p.argmax(axis=1)]
    assert np.mean(p.argmax(axis=1) == data.y) > 0.8


def test_tritons_client_asks_the_network(client: Any, served: Served) -> None:
    x = served.test["upper"].x[:8]
    outputs = [
        triton.InferRequestedOutput("pathways", binary_data=False),
        triton.InferRequestedOutput("weights", binary_data=True),
        triton.InferRequestedOutput("unknown", binary_data=True),
    ]
    floats = (x / 255).astype(np.float32)
    result = client.infer("sen", [tensor(floats, "FP32")], outputs=outputs)
    assert result.as_numpy("label") is None
    assert result.as_numpy("pathways").shape == result.as_numpy("weights").shape == (8, 2)
    assert result.as_numpy("unknown").dtype == bool


def test_tritons_client_hears_why_not(client: Any, served: Served) -> None:
    x = served.test["digits"].x[:1]
    with pytest.raises(InferenceServerException, match="no task is called 'x'"):
        client.infer("x", [tensor(x)])
    with pytest.raises(InferenceServerException, match="version 3 of digits does not exist"):
        client.infer("digits", [tensor(x)], model_version="3")
    with pytest.raises(InferenceServerException, match="send UINT8 or FP32"):
        client.infer("digits", [tensor(x.astype(np.int64), "INT64")])
    with pytest.raises(InferenceServerException, match="no output 'x'"):
        client.infer("digits", [tensor(x)], outputs=[triton.InferRequestedOutput("x")])


def two_letters(served: Served) -> bytes:
    """A zip of two class folders."""
    data, out = served.test["lower"], io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for n in np.flatnonzero(data.y < 2):
            archive.writestr(f"{'xy'[data.y[n]]}/{n}.png", png(data.x[n, ..., 0]))
    return out.getvalue()


def test_a_task_is_learned_over_http_and_tells_its_progress(served: Served) -> None:
    reply = served.http.post(
        "/v1/learn",
        data={"task": "xy", "options": '{"epochs": 1, "seed": 3}'},
        files={"file": ("xy.zip", two_letters(served))},
    )
    assert reply.status_code == 202, reply.text
    stream = reply.json()["events"]
    for _ in range(_STREAMS):
        with served.http.stream("GET", stream, timeout=20) as left_early:
            assert next(left_early.iter_lines()) in ("event: progress", "event: learned")
    assert served.http.get("/healthz", timeout=20).status_code == 200
    with served.http.stream("GET", stream, timeout=120) as heard:
        lines = [line for line in heard.iter_lines() if line.startswith(("event: ", "data: "))]
    assert lines[-2] == "event: learned"
    ended = json.loads(lines[-1].removeprefix("data: "))
    assert ended == served.http.get(reply.headers["location"]).json()
    served.wait_for("xy")
    task = served.http.get("/v1/tasks/xy").json()
    assert task["labels"] == ["x", "y"]
    (version,) = served.http.get("/v1/tasks/xy/versions").json()["versions"]
    assert version["in_service"]
    verified = served.http.post("/v1/verify").json()
    assert all(one["ok"] for one in verified["tasks"])
    assert "xy@1" in [one["pathway"] for one in verified["tasks"]]


def test_schemathesis_finds_nothing(served: Served, tmp_path: Path) -> None:
    (tmp_path / "schemathesis.toml").write_text(_SCHEMATHESIS)
    command = [
        Path(sys.executable).with_name("schemathesis"),
        f"--config-file={tmp_path / 'schemathesis.toml'}",
        "run",
        f"{served.http.base_url}/openapi.json",
        "--exclude-path=/v1/verify",  # it takes no input, and its time
        "--exclude-method=DELETE",  # it would take the tasks that other tests ask
        "--max-examples=8",
        "--seed=1",
        "--no-color",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stdout + done.stderr
    assert httpx.get(f"{served.http.base_url}/healthz").status_code == 200
