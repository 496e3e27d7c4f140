"""Families on a cluster: fitted ones, and modules that are not there."""

from __future__ import annotations

import numpy as np
import pytest

from cluster.errors import ExpansionFailed
from pathways import LearnConfig, TaskData
from tests.integration.conftest import Served


def test_a_forest_is_learned_served_and_compared_with(
    served: Served, data: dict[str, tuple[TaskData, TaskData]]
) -> None:
    train, test = data["digits"]
    few = train.shots(40, np.random.default_rng(0))
    how = LearnConfig(family="forest", options={"trees": 20})
    served.client.learn("wood", few, how).wait(timeout_s=150)
    served.wait_for("wood")
    task = served.http.get("/v1/tasks/wood").json()
    assert (task["family"], task["source"], task["links"]) == ("forest", None, [])
    assert "most similar to digits (" in task["remark"]
    answers = served.client.predict(test.x[:50], task="wood")
    right = [test.labels[y] == answer.label for y, answer in zip(test.y[:50], answers, strict=True)]
    assert np.mean(right) > 0.6
    assert all(result.ok for result in served.client.verify())


def test_a_module_that_is_nowhere_fails_alone(
    served: Served, data: dict[str, tuple[TaskData, TaskData]]
) -> None:
    few = data["lower"][0].shots(5, np.random.default_rng(0))
    gone = served.client.learn("gone", few, LearnConfig(family="nowhere.at_all:Net"))
    fine = served.client.learn("fine", few, LearnConfig(family="forest", options={"trees": 5}))
    with pytest.raises(ExpansionFailed, match=r"No module named 'nowhere'; .* on PYTHONPATH there"):
        gone.wait(timeout_s=150)
    fine.wait(timeout_s=150)
    names = {entry.id.task for entry in served.client.tasks()}
    assert "fine" in names and "gone" not in names
