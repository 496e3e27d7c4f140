"""The Open Inference Protocol: what is offered, asked and answered."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import pytest

from tests.unit.inference import INFER, ask, binary, outputs, refused, strings, tensor, unpack
from tests.unit.networks import LearnedNetwork, LocalSlots, Sets
from tests.unit.serving import Serving, serving


@pytest.fixture(scope="module")
def sen(network: LearnedNetwork) -> Iterator[Serving]:
    with serving(LocalSlots(network), max_body_bytes=2_000_000, max_inputs=100) as running:
        yield running


# --- what is offered


def test_health_and_server(sen: Serving) -> None:
    assert sen.http.get("/v2/health/live").json() == {"live": True}
    assert sen.http.get("/v2/health/ready").json() == {"ready": True}
    about = sen.http.get("/v2").json()
    assert (about["name"], about["extensions"]) == ("sen", ["binary_tensor_data"])


def test_a_task_tells_its_tensors_and_labels(sen: Serving) -> None:
    about = sen.http.get("/v2/models/digits").json()
    assert about == sen.http.get("/v2/models/digits/versions/1").json()
    assert about["versions"] == ["1"]
    assert about["platform"] == "sen_mlp"
    assert about["inputs"] == [{"name": "input", "datatype": "UINT8", "shape": [-1, 28, 28, 1]}]
    assert about["outputs"] == [
        {"name": "probabilities", "datatype": "FP32", "shape": [-1, 10]},
        {"name": "label", "datatype": "BYTES", "shape": [-1]},
    ]
    assert about["parameters"]["labels"] == list("0123456789")
    spoken = sen.http.get("/v2/models/spoken").json()
    assert spoken["inputs"] == [{"name": "input", "datatype": "FP32", "shape": [-1, 8000]}]
    assert spoken["parameters"]["rate_hz"] == 8000


@pytest.mark.parametrize("model", ["digits", "spoken", "sen"])
def test_the_outputs_are_those_that_the_metadata_list(sen: Serving, model: str, sets: Sets) -> None:
    data = sets["spoken" if model == "spoken" else "digits"][1]
    datatype = "FP32" if model == "spoken" else "UINT8"
    listed = sen.http.get(f"/v2/models/{model}").json()["outputs"]
    given = ask(sen, model, data.x[:3], datatype)["outputs"]
    assert [(o["name"], o["datatype"]) for o in given] == [
        (o["name"], o["datatype"]) for o in listed
    ]
    for output, known in zip(given, listed, strict=True):
        assert output["shape"] == [3, *known["shape"][1:]]
        assert len(output["data"]) == np.prod(output["shape"])


def test_models_are_ready_by_version(sen: Serving) -> None:
    assert sen.http.get("/v2/models/digits/ready").json() == {"name": "digits", "ready": True}
    assert sen.http.get("/v2/models/digits/versions/1/ready").status_code == 200
    assert "version 2 of digits does not exist" in refused(
        sen.http.get("/v2/models/digits/versions/2/ready"), 404
    )
    assert "no task is called 'x'" in refused(sen.http.get("/v2/models/x"), 404)


# --- what is asked and answered


def test_a_task_answers_as_v1_does(sen: Serving, sets: Sets) -> None:
    x = sets["digits"][1].x[:5]
    given = outputs(ask(sen, "digits", x))
    v1 = sen.http.post(
        "/v1/predict", json={"inputs": x.tolist()}, params={"task": "digits", "top": 10}
    ).json()["predictions"]
    assert given["label"] == [p["label"] for p in v1]
    for row, prediction in zip(np.reshape(given["probabilities"], (5, 10)), v1, strict=True):
        wanted = {p["label"]: p["probability"] for p in prediction["probabilities"]}
        np.testing.assert_allclose(row, [wanted[str(d)] for d in range(10)], atol=1e-7)


def test_the_network_dispatches(sen: Serving, sets: Sets) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (1, 28, 28, 1), np.uint8)
    x = np.concatenate([sets["fashion"][1].x[:3], noise])
    reply = ask(sen, "sen", x)
    given = outputs(reply)
    assert reply["model_version"] == "4"
    assert given["unknown"] == [False, False, False, True]
    assert (given["label"][3], given["probability"][3], given["pathways"][6:]) == ("", 0, ["", ""])
    assert given["pathways"][0] == "fashion@1"
    weights = np.reshape(given["weights"], (4, 2))
    np.testing.assert_allclose(weights.sum(axis=1), [1, 1, 1, 0], atol=1e-6)


def test_the_id_is_given_back_and_outputs_are_selected(sen: Serving, sets: Sets) -> None:
    x = sets["digits"][1].x[:2]
    reply = ask(sen, "digits", x, id="of mine", outputs=[{"name": "label"}])
    assert (reply["id"], [o["name"] for o in reply["outputs"]]) == ("of mine", ["label"])
    assert "id" not in ask(sen, "digits", x)


@pytest.mark.parametrize("as_floats", [False, True])
def test_every_form_of_an_image_gives_the_same(sen: Serving, sets: Sets, as_floats: bool) -> None:
    x = sets["digits"][1].x[:4]
    wanted = outputs(ask(sen, "digits", x))
    given, datatype = ((x / 255).astype(np.float32), "FP32") if as_floats else (x, "UINT8")
    assert outputs(ask(sen, "digits", given, datatype)) == wanted
    assert outputs(ask(sen, "digits", given[..., 0], datatype)) == wanted
    assert outputs(binary(sen, "digits", given, datatype).json()) == wanted
    nested = {**tensor(given, datatype), "data": given.tolist()}
    assert (
        outputs(sen.http.post(INFER.format("digits"), json={"inputs": [nested]}).json()) == wanted
    )


def test_sounds_have_the_rate_of_the_task_or_the_one_given(sen: Serving, sets: Sets) -> None:
    x = sets["spoken"][1].x[:3]
    wanted = outputs(ask(sen, "spoken", x, "FP32"))
    assert outputs(ask(sen, "spoken", x, "FP32", parameters={"rate_hz": 8000})) == wanted
    assert outputs(ask(sen, "sen", x, "FP32"))["pathways"][::2] == ["spoken@1"] * 3
    more = sets["spoken"][1].x[:10]
    said = outputs(ask(sen, "spoken", more, "FP32"))
    surest = np.reshape(said["probabilities"], (10, 10)).max(axis=1)
    sure = np.argsort(surest)[-3:]  # resampling changes a sound a little
    double = np.repeat(more[sure], 2, axis=1)
    again = outputs(ask(sen, "spoken", double, "FP32", parameters={"rate_hz": 16_000}))
    assert again["label"] == [said["label"][row] for row in sure]


def test_binary_outputs_hold_what_json_says(sen: Serving, sets: Sets) -> None:
    x = sets["digits"][1].x[:3]
    wanted = outputs(ask(sen, "sen", x))
    reply = binary(sen, "sen", x, "UINT8", id="7", parameters={"binary_data_output": True})
    head, parts = unpack(reply)
    assert (head["id"], head["model_name"]) == ("7", "sen")
    assert reply.headers["content-type"] == "application/octet-stream"
    assert strings(parts["label"]) == wanted["label"]
    assert strings(parts["pathways"]) == wanted["pathways"]
    assert np.frombuffer(parts["unknown"], "?").tolist() == wanted["unknown"]
    for name in ("probability", "weights"):
        np.testing.assert_allclose(np.frombuffer(parts[name], "<f4"), wanted[name], rtol=1e-6)


def test_outputs_can_be_binary_one_by_one(sen: Serving, sets: Sets) -> None:
    asked = [
        {"name": "label", "parameters": {"binary_data": False}},
        {"name": "probabilities"},
    ]
    reply = binary(
        sen,
        "digits",
        sets["digits"][1].x[:1],
        "UINT8",
        outputs=asked,
        parameters={"binary_data_output": True},
    )
    size = int(reply.headers["inference-header-content-length"])
    label, probabilities = json.loads(reply.content[:size])["outputs"]
    assert len(label["data"]) == 1
    assert (
        probabilities["parameters"]
        == {"binary_data_size": 40}
        == {"binary_data_size": len(reply.content) - size}
    )
