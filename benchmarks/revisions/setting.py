"""What the experiments share: data, the paper's budget, accuracy on test examples."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.paper.profiles import PAPER
from benchmarks.paper.tasks import load_task
from pathways import FrozenPathway, LearnConfig, StoredPathway, TaskData, TrainConfig
from pathways.data.embedded import embedded_task

Row = dict[str, float | int | str]
"""Figures of one run, by name."""

HELD_OUT = 0.1  # of the training data, to decide by
_QUICK_TRAIN, _QUICK_TEST = 40, 10  # examples a class


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What everything is measured on."""

    data_dir: Path | None
    """Folder of the real data; None for made-up data."""
    quick: bool
    """Whether the budget is that of a smoke test."""

    def load(self, task: str) -> tuple[TaskData, TaskData]:
        """(train, test) of a task; raises DataError."""
        if self.quick and self.data_dir is None:
            return embedded_task(task, train_per_class=_QUICK_TRAIN, test_per_class=_QUICK_TEST)
        return load_task(task, self.data_dir, validation=False)

    def learning(self, task: str, shots: int | None, seed: int) -> LearnConfig:
        """How the paper learns a task, but for what is set aside to decide by."""
        config = replace(PAPER.config(task, shots, seed), held_out_share=HELD_OUT)
        return replace(config, train=self.budget(config.train))

    def budget(self, full: TrainConfig) -> TrainConfig:
        """Of a training that takes `full` if it is to mean anything."""
        return replace(full, epochs=4, min_steps=60) if self.quick else full


def test_accuracy(given: StoredPathway, source: StoredPathway | None, test: TaskData) -> float:
    """Share of test examples that a pathway gets right, 0..1."""
    answers = FrozenPathway.load(given, source).probabilities(test.x)
    return float((answers.argmax(axis=1) == test.y).mean())
