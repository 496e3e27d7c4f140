"""The HTTP interface of the served network: what it accepts, what it says, what it refuses."""

from __future__ import annotations

import io
import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import soundfile
from PIL import Image

from tests.integration.conftest import TASKS, Served


def png(pixels: np.ndarray[Any, Any]) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def npy(array: np.ndarray[Any, Any]) -> bytes:
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


def post(served: Served, body: bytes, kind: str, **params: Any) -> httpx.Response:
    return served.http.post(
        "/v1/predict", content=body, headers={"content-type": kind}, params=params
    )


def problem(reply: httpx.Response, status: int) -> str:
    assert reply.headers["content-type"] == "application/problem+json", reply.text
    assert reply.status_code == reply.json()["status"] == status, reply.text
    return str(reply.json()["detail"])


def test_an_uploaded_file_is_labelled(served: Served) -> None:
    image = png(served.test["digits"].x[0, ..., 0])
    reply = served.http.post("/v1/predict", files={"file": ("seven.png", image)}).json()
    assert reply["network_version"] >= 3
    (prediction,) = reply["predictions"]
    assert prediction["label"] == prediction["probabilities"][0]["label"]
    assert 1 <= len(prediction["pathways"]) <= 2
    assert 0 < prediction["active_share"] < 1


def test_every_kind_of_body_gives_the_same_answer(served: Served) -> None:
    x = served.test["upper"].x[:1]
    replies = [
        served.http.post(
            "/v1/predict", files={"file": png(x[0, ..., 0])}, params={"task": "upper"}
        ),
        post(served, png(x[0, ..., 0]), "image/png", task="upper"),
        post(served, npy(x), "application/x-npy", task="upper"),
        served.http.post("/v1/predict", json={"inputs": x.tolist()}, params={"task": "upper"}),
        served.http.post(
            "/v1/predict", json={"inputs": (x[..., 0] / 255).tolist()}, params={"task": "upper"}
        ),
    ]
    answers = [reply.json()["predictions"] for reply in replies]
    assert all(answer == answers[0] for answer in answers)


def test_many_inputs_are_answered_in_order(served: Served) -> None:
    x = served.test["digits"].x[:50]
    many = post(served, npy(x), "application/x-npy", task="digits").json()["predictions"]
    one = [
        post(served, npy(x[i : i + 1]), "application/x-npy", task="digits").json() for i in (0, 49)
    ]
    assert len(many) == 50
    assert [many[0]["label"], many[49]["label"]] == [r["predictions"][0]["label"] for r in one]


def test_top_says_how_many_labels(served: Served) -> None:
    body = npy(served.test["lower"].x[:1])
    for top in (1, 26):
        reply = post(served, body, "application/x-npy", task="lower", top=top).json()
        assert len(reply["predictions"][0]["probabilities"]) == top


def test_an_obvious_conversion_is_made_and_noted(served: Served) -> None:
    pixels = served.test["digits"].x[0, ..., 0]
    large = np.repeat(np.repeat(np.stack([pixels] * 3, axis=-1), 2, axis=0), 2, axis=1)
    reply = post(served, png(large), "image/png", task="digits").json()
    notes = " ".join(reply["predictions"][0]["notes"])
    assert "grey" in notes
    assert "56x56" in notes


def test_tasks_network_and_health(served: Served) -> None:
    tasks = served.http.get("/v1/tasks").json()["tasks"]
    assert [task["task"] for task in tasks][:3] == list(TASKS)
    lower = tasks[1]
    assert lower["source"] == "digits@1"
    assert ("0", "o") in [(link["source_label"], link["target_label"]) for link in lower["links"]]
    network = served.http.get("/v1/network").json()
    assert network["tasks"] == len(tasks)
    assert network["max_active_pathways"] == 2
    assert 0 < network["mean_active_share"] < 1
    assert len(network["slots"]) <= 2
    assert served.http.get("/healthz").json()["status"] == "ok"


def test_openapi_describes_the_bodies(served: Served) -> None:
    described = served.http.get("/openapi.json").json()["paths"]["/v1/predict"]["post"]
    assert "multipart/form-data" in described["requestBody"]["content"]
    assert "413" in described["responses"]


def test_refusals_name_the_value_and_the_remedy(served: Served) -> None:
    image = png(served.test["digits"].x[0, ..., 0])
    assert "seven.png" in problem(
        served.http.post("/v1/predict", files={"file": ("seven.png", image[:60])}), 422
    )
    assert "text/plain cannot be read" in problem(post(served, b"hello", "text/plain"), 415)
    assert "no body" in problem(post(served, b"", "image/png"), 422)
    assert "no task is called 'x'" in problem(post(served, image, "image/png", task="x"), 404)
    assert "limit is 4000000" in problem(post(served, bytes(4_000_001), "image/png"), 413)
    assert "no .npy array" in problem(post(served, b"abc", "application/x-npy"), 422)
    assert "NaN" in problem(
        post(served, npy(np.full((1, 28, 28), np.nan)), "application/x-npy"), 422
    )
    assert "differ in shape" in problem(
        served.http.post("/v1/predict", json={"inputs": [[[1, 2]], [[1]]]}), 422
    )
    assert "inputs" in problem(served.http.post("/v1/predict", json={"input": []}), 422)
    assert "top" in problem(post(served, image, "image/png", top=0), 422)
    assert "x-www-form-urlencoded cannot be read" in problem(
        served.http.post("/v1/predict", data={"a": "b"}), 415
    )
    assert problem(served.http.get("/v1/nothing"), 404)
    assert problem(served.http.get("/v1/predict"), 405)


def test_a_pickle_in_an_array_is_refused(served: Served) -> None:
    out = io.BytesIO()
    np.save(out, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    refusal = problem(post(served, out.getvalue(), "application/x-npy"), 422)
    assert "pickle" in refusal


def test_a_sound_fits_no_task_of_an_image_network(served: Served, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(4000, np.float32), 8000)
    body = (tmp_path / "a.wav").read_bytes()
    assert "audio" in problem(post(served, body, "audio/wav"), 422)
    broken = problem(post(served, body[:20], "audio/wav"), 422)
    assert "audio/wav" in broken


def test_activity_counts_what_ran_in_every_process(served: Served) -> None:
    before = served.http.get("/v1/network/activity").json()
    x = served.test["digits"].x[:20]
    post(served, npy(x), "application/x-npy", task="digits")
    served.client.predict(x[:5], task="digits")  # another dispatcher than that of HTTP
    end = time.monotonic() + 20
    while (now := served.http.get("/v1/network/activity").json())["rows"] < before["rows"] + 25:
        assert time.monotonic() < end, now
        time.sleep(0.1)
    assert now["activations"]["digits"] >= before["activations"].get("digits", 0) + 25
    assert "digits@1" in now["resident"]
    assert served.client.activity().rows >= now["rows"]
