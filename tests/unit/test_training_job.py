"""What a training job decides by itself: how many workers it has, and what progress it tells."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cluster.training_job import ProgressTeller, _lend, default_workers
from pathways import LearnConfig, PathwayId, Progress, TrainConfig, learn
from tests.unit.kinds import kinds
from tests.unit.networks import LearnedNetwork, publish_all


@pytest.mark.parametrize(
    ("cpus", "workers"), [(0.0, 1), (1.0, 1), (2.0, 1), (3.5, 1), (4.0, 2), (64.0, 32)]
)
def test_half_of_the_cpus_learn_and_the_others_serve(cpus: float, workers: int) -> None:
    assert default_workers(cpus) == workers


class _Told:
    """A controller's handle that keeps what it is told."""

    def __init__(self) -> None:
        self.epochs: list[int] = []
        self.progress = self

    def remote(self, request: str, progress: Progress) -> Any:
        assert request == "00000001-a"
        self.epochs.append(progress.epoch)


def test_progress_is_told_now_and_then_and_the_last_is_kept() -> None:
    now = [100.0]
    told = _Told()
    report = ProgressTeller(told, "00000001-a", clock=lambda: now[0])
    assert report.last is None
    for epoch in range(1, 13):
        now[0] += 0.1
        report(Progress(epoch=epoch, epochs=12, loss=1.0, accuracy=0.5))
    assert told.epochs == [3, 6, 9, 12]
    assert report.last is not None
    assert report.last.epoch == 12


def test_of_a_task_learned_in_a_moment_nothing_is_told_on_the_way() -> None:
    told = _Told()
    report = ProgressTeller(told, "00000001-a")
    for epoch in range(1, 6):
        report(Progress(epoch=epoch, epochs=5, loss=1.0, accuracy=0.5))
    assert told.epochs == []
    assert report.last is not None


def test_a_task_of_numbers_lends_nothing(tmp_path: Path) -> None:
    made = kinds(n=60)
    few = LearnConfig(train=TrainConfig(epochs=1, min_steps=1))
    tasks = ("houses", "wines")
    stored = {name: learn(PathwayId(name), made[name][0], [], few) for name in tasks}
    network = publish_all(tmp_path / "store", stored, {name: made[name][0] for name in tasks})
    lent = _lend(network.view(), network.store, tasks)
    assert [str(source.id) for source in lent] == ["wines@1"]


def test_a_task_that_was_removed_lends_nothing(network: LearnedNetwork) -> None:
    """A router may list it still."""
    lent = _lend(network.view(), network.store, ["gone", "digits"])
    assert [source.id.task for source in lent] == ["digits"]


def test_a_task_that_is_unavailable_lends_nothing(network: LearnedNetwork) -> None:
    view = network.view(unavailable={"digits": "its file is damaged"})
    assert _lend(view, network.store, ["digits"]) == []
