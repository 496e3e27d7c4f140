"""ACC, BWT, FWT and forgetting against figures worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.paper import metrics
from benchmarks.paper.record import Record


def made_up_record(**fields: Any) -> Record:
    """Three tasks of 10, 10 and 20 test examples; the first two lose some accuracy."""
    given: dict[str, Any] = {
        "profile": "paper",
        "system": "ewc",
        "seed": 0,
        "tasks": ("fashion", "digits", "lower"),
        "matrix": (
            {"fashion": 0.9},
            {"fashion": 0.8, "digits": 0.7},
            {"fashion": 0.5, "digits": 0.8, "lower": 0.2},
        ),
        "few_shot": {"0": {"fashion": 0.1, "digits": 0.3, "lower": 0.15}},
        "initial": {"fashion": 0.1, "digits": 0.1, "lower": 0.05},
        "seconds": {"fashion": 1.0, "digits": 2.0, "lower": 3.0},
        "memory_bytes": 0,
        "parameters": {"fashion": 10, "digits": 20, "lower": 30},
        "test_examples": {"fashion": 10, "digits": 10, "lower": 20},
        "extra": {},
    }
    return Record(**{**given, **fields})


def joint_record() -> Record:
    """All tasks at once: a single row."""
    return made_up_record(
        system="joint", matrix=({"fashion": 0.9, "digits": 0.9, "lower": 0.6},), few_shot={}
    )


def test_accuracy_is_the_mean_of_tasks_or_of_examples() -> None:
    record = made_up_record()
    assert metrics.average_accuracy(record) == pytest.approx(0.5)
    assert metrics.stream_accuracy(record) == pytest.approx((5 + 8 + 4) / 40)


def test_forgetting_leaves_the_last_task_out_and_backward_transfer_is_its_negative() -> None:
    record = made_up_record()
    assert metrics.forgetting(record) == pytest.approx(((0.9 - 0.5) + (0.7 - 0.8)) / 2)
    assert metrics.backward_transfer(record) == pytest.approx(-0.15)


def test_forward_transfer_is_what_earlier_tasks_gave_over_chance() -> None:
    assert metrics.forward_transfer(made_up_record()) == pytest.approx((0.2 + 0.1) / 2)


def test_joint_training_has_an_accuracy_but_nothing_before_or_after() -> None:
    record = joint_record()
    assert metrics.average_accuracy(record) == pytest.approx(0.8)
    assert metrics.forgetting(record) is None
    assert metrics.backward_transfer(record) is None
    assert metrics.forward_transfer(record) is None


def test_forward_transfer_needs_the_zero_shot_accuracy_of_every_later_task() -> None:
    assert metrics.forward_transfer(made_up_record(few_shot={"0": {"digits": 0.3}})) is None


def test_a_restricted_run_forgets_what_came_of_the_other_tasks() -> None:
    record = made_up_record().restricted(("fashion", "digits"))
    assert record.tasks == ("fashion", "digits")
    assert record.last == {"fashion": 0.8, "digits": 0.7}
    assert metrics.forgetting(record) == pytest.approx(0.1)


def test_a_restricted_joint_run_keeps_its_only_row() -> None:
    record = joint_record().restricted(("fashion", "lower"))
    assert record.matrix == ({"fashion": 0.9, "lower": 0.6},)


def test_a_record_survives_json() -> None:
    record = made_up_record(extra={"links": {"lower": []}})
    assert Record.from_json(record.to_json()) == record


@pytest.mark.parametrize("damaged", ["", "{}", made_up_record().to_json()[:-40]])
def test_what_is_no_whole_record_is_refused(damaged: str) -> None:
    with pytest.raises(ValueError):
        Record.from_json(damaged)
