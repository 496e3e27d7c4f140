"""Tables, texts and numbers to predict on a real cluster: learned, and asked without a name."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import httpx
import numpy as np
import pytest

from cluster.inputs import read_inputs
from cluster.messages import Answer
from deploy import commands
from dispatcher import NoTaskFits
from pathways import LearnConfig, TaskData, TrainConfig
from tests.integration.conftest import Served
from tests.unit.kinds import PRICE, Split, kinds

BUDGET = LearnConfig(train=TrainConfig(epochs=20))
TASKS = ("houses", "wines", "mail", "recipes")
"""Houses first: what is learned from it, a number, must not be taken for a source of links."""


@pytest.fixture(scope="module")
def made(served: Served, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Split]:
    """The tasks, learned; houses from a CSV file."""
    made = kinds(n=400)
    path = tmp_path_factory.mktemp("data") / "houses.csv"
    path.write_text(as_csv(made["houses"][0]), encoding="utf-8")
    served.client.learn("houses", path, BUDGET, target=PRICE).wait(timeout_s=200)
    waiting = [served.client.learn(name, made[name][0], BUDGET) for name in TASKS[1:]]
    for expansion in waiting:
        expansion.wait(timeout_s=200)
    for name in TASKS:
        served.wait_for(name)
    return made


def as_csv(data: TaskData) -> str:
    assert data.values is not None
    names = [f"column{n}" for n in range(data.x.shape[1])]
    rows = np.column_stack([data.x, data.values])
    lines = [",".join(map(repr, row.tolist())) for row in rows]
    return "\n".join([",".join([*names, PRICE]), *lines]) + "\n"


def from_python(served: Served, data: TaskData) -> list[Answer]:
    return served.client.predict(data.x, kind=data.signature.modality)


def from_http(served: Served, data: TaskData) -> list[dict[str, object]]:
    body = io.BytesIO()
    np.save(body, data.x)
    reply = served.http.post(
        "/v1/predict",
        content=body.getvalue(),
        headers={"content-type": "application/x-npy"},
        params={"kind": data.signature.modality},
    )
    assert reply.status_code == httpx.codes.OK, reply.text
    predictions: list[dict[str, object]] = reply.json()["predictions"]
    return predictions


@pytest.mark.parametrize("name", TASKS)
def test_the_dispatcher_finds_the_pathway_of_every_kind(
    served: Served, made: Mapping[str, Split], name: str
) -> None:
    answers = from_python(served, made[name][1])
    first = [answer.activated[0].pathway.task for answer in answers if not answer.unknown]
    assert len(first) > 0.9 * len(answers)
    assert np.mean([task == name for task in first]) > 0.9


@pytest.mark.parametrize("name", ["wines", "mail", "recipes"])
def test_classes_are_right_without_naming_the_task(
    served: Served, made: Mapping[str, Split], name: str
) -> None:
    data = made[name][1]
    wanted = [data.labels[c] for c in data.y]
    in_python = [answer.label for answer in from_python(served, data)]
    over_http = [prediction["label"] for prediction in from_http(served, data)]
    assert in_python == over_http
    assert np.mean([a == b for a, b in zip(in_python, wanted, strict=True)]) > 0.85


def test_a_number_and_its_uncertainty_are_told_without_naming_the_task(
    served: Served, made: Mapping[str, Split]
) -> None:
    data = made["houses"][1]
    assert data.values is not None
    answers = [answer for answer in from_python(served, data) if not answer.unknown]
    told = {answer.values[0].name for answer in answers}
    assert told == {PRICE}
    predictions = [p["values"] for p in from_http(served, data) if not p["unknown"]]
    assert predictions == [[vars(value) for value in answer.values] for answer in answers]
    told_all = served.client.predict(data.x, kind="table", task="houses")
    values = np.array([[a.values[0].value, a.values[0].deviation] for a in told_all])
    assert 1 - np.mean((values[:, 0] - data.values) ** 2) / data.values.var() > 0.9
    assert np.mean(np.abs(values[:, 0] - data.values) <= 1.645 * values[:, 1]) > 0.75


def test_no_task_is_linked_to_or_from_a_number(served: Served, made: Mapping[str, Split]) -> None:
    specs = {entry.id.task: entry.spec for entry in served.client.tasks()}
    assert specs["houses"].output == "number"
    assert specs["houses"].source is None
    assert all(s.source is None or s.source.task != "houses" for s in specs.values())


def test_every_kind_of_task_is_as_it_was_learned(served: Served, made: Mapping[str, Split]) -> None:
    results = {result.task: result for result in served.client.verify()}
    assert all(results[name].ok for name in TASKS)


def test_every_row_of_a_csv_file_is_answered(
    served: Served,
    made: Mapping[str, Split],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "unseen.csv"
    path.write_text(as_csv(made["houses"][1].take(np.arange(30))), encoding="utf-8")
    answers = served.client.predict(read_inputs(path, without={PRICE}), task="houses")
    assert len(answers) == 30
    commands.predict([path], None, 3, True, None)
    assert capsys.readouterr().out.count(f'"name": "{PRICE}"') >= 27


def test_a_table_of_another_width_is_refused(served: Served, made: Mapping[str, Split]) -> None:
    with pytest.raises(NoTaskFits, match="no known task takes an input like table-5"):
        served.client.predict(np.ones((1, 5)), kind="table")
