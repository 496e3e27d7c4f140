"""Tables, texts and numbers to predict, over HTTP and the Open Inference Protocol."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray

from deploy.evaluation import HttpNetwork
from deploy.report import learned_line, tasks_table
from deploy.schemas import PredictReply, task_info, tasks_reply
from tests.unit.kinds import PRICE, VOCABULARY, Split, kinds, learned_kinds
from tests.unit.networks import LearnedNetwork, LocalSlots
from tests.unit.serving import Serving, npy, serving


@pytest.fixture(scope="module")
def made() -> dict[str, Split]:
    return kinds(n=400)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory, made: dict[str, Split]) -> LearnedNetwork:
    return learned_kinds(tmp_path_factory.mktemp("kinds") / "store", made)


@pytest.fixture(scope="module")
def http(network: LearnedNetwork) -> Iterator[Serving]:
    with serving(LocalSlots(network)) as running:
        yield running


def post(http: Serving, x: NDArray[Any], **params: Any) -> httpx.Response:
    headers = {"content-type": "application/x-npy"}
    return http.http.post("/v1/predict", content=npy(x), headers=headers, params=params)


def test_json_and_npy_say_what_kind_they_hold(http: Serving, made: dict[str, Split]) -> None:
    for name, kind in (("houses", "table"), ("mail", "text")):
        x = made[name][1].x[:3]
        as_npy = post(http, x, kind=kind)
        as_json = http.http.post("/v1/predict", json={"inputs": x.tolist(), "kind": kind})
        assert as_npy.json()["predictions"] == as_json.json()["predictions"]
        assert len(PredictReply.model_validate_json(as_npy.content).predictions) == 3


def test_a_number_is_told_over_http(http: Serving, made: dict[str, Split]) -> None:
    (prediction,) = post(http, made["houses"][1].x[:1], kind="table").json()["predictions"]
    assert prediction["label"] is None and prediction["unknown"] is False
    (value,) = prediction["values"]
    assert value["name"] == PRICE and value["deviation"] > 0


@pytest.mark.parametrize(
    ("params", "message"),
    [({}, "images must be an array"), ({"kind": "audio"}, "sounds alone have one")],
)
def test_a_wrong_kind_is_refused_over_http(
    http: Serving, params: dict[str, str], message: str
) -> None:
    reply = post(http, np.ones((1, 6), np.float32), **params)
    assert reply.status_code == 422
    assert message in reply.json()["detail"]
    assert post(http, np.ones((1, 6)), kind="video").status_code == 422


def test_tasks_tell_what_they_answer_with(http: Serving, network: LearnedNetwork) -> None:
    tasks = {task["task"]: task for task in http.http.get("/v1/tasks").json()["tasks"]}
    houses, wines = tasks["houses"], tasks["wines"]
    assert (houses["output"], houses["labels"]) == ("number", [PRICE])
    assert houses["held_out_accuracy"] is None and houses["held_out_r2"] > 0.8
    assert (wines["output"], wines["held_out_r2"]) == ("classes", None)
    versions = http.http.get("/v1/tasks/houses/versions").json()["versions"]
    assert versions[0]["held_out_r2"] == houses["held_out_r2"]


def test_the_terminal_tells_r2_where_others_tell_accuracy(network: LearnedNetwork) -> None:
    view = network.view()
    line = learned_line(task_info(view, network.registry.entry("houses")))
    assert "the number price" in line and "held-out R² 0." in line and "90 % interval" in line
    assert "links" not in line
    table = tasks_table(tasks_reply(view).tasks)
    held_out = list(table.columns[6]._cells)
    assert [str(cell).startswith("R² 0.") for cell in held_out] == [False, True, False, False]


# --- the Open Inference Protocol ----------------------------------------------------------------


def infer(http: Serving, model: str, x: NDArray[Any], datatype: str, **parameters: Any) -> Any:
    body = {
        "inputs": [
            {"name": "input", "datatype": datatype, "shape": x.shape, "data": x.ravel().tolist()}
        ],
        "parameters": parameters,
    }
    reply = http.http.post(f"/v2/models/{model}/infer", json=body)
    if reply.status_code != 200:
        return reply.json()["error"]
    return {output["name"]: output["data"] for output in reply.json()["outputs"]}


def test_a_task_s_model_knows_its_own_kind(http: Serving, made: dict[str, Split]) -> None:
    labels = infer(http, "wines", made["wines"][1].x[:4], "FP32")["label"]
    assert set(labels) <= {"barolo", "barbera", "grignolino"}
    for datatype in ("INT32", "INT64"):
        assert len(infer(http, "mail", made["mail"][1].x[:4], datatype)["label"]) == 4
    told = infer(http, "houses", made["houses"][1].x[:4], "FP32")
    assert set(told) == {"value", "deviation"} and len(told["value"]) == 4


def test_models_tell_what_they_take_and_give(http: Serving) -> None:
    houses = http.http.get("/v2/models/houses").json()
    assert houses["inputs"] == [{"name": "input", "datatype": "FP32", "shape": [-1, 6]}]
    assert [output["name"] for output in houses["outputs"]] == ["value", "deviation"]
    mail = http.http.get("/v2/models/mail").json()
    assert mail["inputs"] == [{"name": "input", "datatype": "INT32", "shape": [-1, 24]}]
    assert mail["parameters"]["vocabulary"] == VOCABULARY
    whole = http.http.get("/v2/models/sen").json()
    assert whole["parameters"]["modalities"] == ["table", "text"]
    assert whole["inputs"][0]["datatype"] == "FP32"


def test_the_whole_network_tells_kinds_apart_by_datatype_or_parameter(
    http: Serving, made: dict[str, Split]
) -> None:
    text = infer(http, "sen", made["mail"][1].x[:2], "INT32")
    assert text["pathways"][::2] == ["mail@1", "mail@1"]
    assert text["value_name"] == ["", ""] and text["value"] == [0, 0]
    rows = infer(http, "sen", made["houses"][1].x[:2], "FP32")
    assert rows["value_name"] == [PRICE] * 2 and rows["label"] == ["", ""]
    assert infer(http, "sen", made["houses"][1].x[:2], "FP32", kind="table") == rows


def test_tensors_that_a_model_cannot_take_are_refused(
    http: Serving, made: dict[str, Split]
) -> None:
    x = made["houses"][1].x[:1]
    assert "mail takes no float32 input" in infer(http, "mail", x, "FP32")
    assert "houses takes no int32 input" in infer(http, "houses", x.astype(np.int32), "INT32")
    assert "sen takes no float32 input" in infer(http, "sen", x, "FP32", rate_hz=8_000)
    assert "sen takes no float32 input" in infer(http, "sen", x, "FP32", kind="audio")
    assert (
        "there is no output 'label'"
        in http.http.post(
            "/v2/models/houses/infer",
            json={
                "inputs": [{"name": "input", "datatype": "FP32", "shape": [1, 6], "data": [1] * 6}],
                "outputs": [{"name": "label"}],
            },
        ).json()["error"]
    )


def test_held_out_rows_are_scored_over_http(http: Serving, made: dict[str, Split]) -> None:
    network = HttpNetwork("http://127.0.0.1:1")
    network._client = http.http
    score = network.score("wines", made["wines"][1])
    assert score.told > 0.9 and score.dispatched > 0.85
