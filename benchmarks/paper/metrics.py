"""The figures of continual learning, from the accuracies of one run.

Forgetting, backward and forward transfer are Avalanche's StreamForgetting, StreamBWT and
StreamForwardTransfer (`avalanche.evaluation.metrics`, forgetting_bwt.py and forward_transfer.py)
at the end of the last experience; an experience is a task here.
"""

from __future__ import annotations

from benchmarks.paper.record import Record


def average_accuracy(record: Record) -> float:
    """ACC: mean over tasks of the accuracy at the end (Lopez-Paz and Ranzato 2017)."""
    return _mean([record.last[task] for task in record.tasks])


def stream_accuracy(record: Record) -> float:
    """Avalanche's StreamAccuracy: share right of all tasks' test examples together, at the end."""
    examples = [record.test_examples[task] for task in record.tasks]
    right = sum(n * record.last[task] for n, task in zip(examples, record.tasks, strict=True))
    return right / sum(examples)


def forgetting(record: Record) -> float | None:
    """Accuracy right after learning minus accuracy at the end, mean over all but the last task.

    None for fewer than two tasks in sequence.
    """
    if not _in_sequence(record):
        return None
    earlier = list(zip(record.tasks, record.matrix, strict=True))[:-1]
    return _mean([row[task] - record.last[task] for task, row in earlier])


def backward_transfer(record: Record) -> float | None:
    """BWT: forgetting with the other sign, as Avalanche's forgetting_to_bwt makes it."""
    lost = forgetting(record)
    return None if lost is None else -lost


def forward_transfer(record: Record) -> float | None:
    """FWT: accuracy of a task just before it is trained minus that of random initialisation,
    mean over all but the first task.

    Just before is the 0-shot figure: all earlier tasks are learned, and of the new one nothing is
    trained. None where that was not measured.
    """
    before = record.few_shot.get("0", {})
    later = record.tasks[1:]
    if not _in_sequence(record) or not all(task in before for task in later):
        return None
    return _mean([before[task] - record.initial[task] for task in later])


def _in_sequence(record: Record) -> bool:
    return len(record.matrix) == len(record.tasks) >= 2


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
