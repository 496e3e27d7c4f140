"""The benchmark of dispatching to tasks of few examples, on made-up data."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from benchmarks.few_shot import SHOTS, main, measure
from pathways.data.embedded import embedded_task

TASKS = ("digits", "fashion")


def test_every_task_is_once_the_one_of_few_examples() -> None:
    data = {
        task: embedded_task(task, train_per_class=30, test_per_class=5, seed=0) for task in TASKS
    }
    found = measure(data, seed=0, powers=(0.0, 0.4))
    asked = [(each.task, each.shots, each.power) for each in found]
    assert asked == [(task, n, power) for task in TASKS for n in SHOTS for power in (0.0, 0.4)]
    for each in found:
        assert 0 <= each.first <= each.among_two <= 1
        assert 0 <= each.others_first <= each.others_among_two <= 1
    plain, raised = found[0], found[1]
    assert raised.first > plain.first


def test_missing_data_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(typer.BadParameter, match="missing"):
        main(data_dir=tmp_path)
