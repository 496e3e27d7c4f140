"""A task's data: checked where it is made, and parted reproducibly."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pathways import DataError, TaskData, audio_signature, image_signature
from tests.unit.networks import Sets


def task(counts: tuple[int, ...] = (6, 4), **fields: Any) -> TaskData:
    """A task of 4×4 images whose first pixel tells the row."""
    y = np.repeat(np.arange(len(counts)), counts)
    x = np.zeros((len(y), 4, 4, 1), np.uint8)
    x[:, 0, 0, 0] = np.arange(len(y))
    labels = tuple("abcdef"[: len(counts)])
    given = {"x": x, "y": y, "labels": labels, "signature": image_signature(4, 4), **fields}
    return TaskData(**given)


def rows(data: TaskData) -> list[int]:
    return data.x[:, 0, 0, 0].tolist()  # type: ignore[no-any-return]


def test_a_task_knows_its_size_and_counts() -> None:
    assert len(task()) == 10
    assert task().counts().tolist() == [6, 4]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"labels": ("a",)}, r"at least two classes, got 1 \(a\); add examples of another class"),
        ({"labels": ()}, r"at least two classes, got 0 \(none\)"),
        ({"labels": ("a", "a")}, "class names must differ; a occurs more than once"),
        ({"labels": ("a", "")}, "a class name is empty; give every class a name"),
        ({"labels": ("a", "b", "c")}, "class 'c' has no examples; add some or leave the class out"),
        ({"labels": tuple("abcd")}, r"class 'c' has no examples \(and 1 more\)"),
        ({"x": np.zeros((10, 4, 4, 1))}, r"are uint8 arrays \[n, 4, 4, 1\]; got float64"),
        ({"x": np.zeros((10, 4, 4), np.uint8)}, r"uint8 arrays \[n, 4, 4, 1\]; got uint8 \[10, 4,"),
        ({"x": np.zeros((9, 4, 4, 1), np.uint8)}, r"9 inputs need 9 labels, got .* shape \[10\]"),
        ({"y": np.zeros((10, 1), np.int64)}, r"10 inputs need 10 labels, got .* shape \[10, 1\]"),
        ({"y": np.zeros(10, np.int32)}, "must be int64 indices into the class names, got int32"),
        ({"y": np.arange(10)}, r"must lie in 0\.\.1, found 0\.\.9; do the labels match"),
        ({"y": np.arange(10) - 1}, r"must lie in 0\.\.1, found -1\.\.8"),
    ],
)
def test_data_that_cannot_be_learned_from_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        task(**fields)


def test_sounds_that_are_not_finite_are_refused_by_row() -> None:
    x = np.zeros((4, 100), np.float32)
    x[2, 7] = np.nan
    with pytest.raises(DataError, match="example 2 holds NaN or infinite values"):
        TaskData(x=x, y=np.arange(4) % 2, labels=("a", "b"), signature=audio_signature(samples=100))


def test_no_examples_at_all_are_refused() -> None:
    with pytest.raises(DataError, match=r"class 'a' has no examples \(and 1 more\)"):
        task(x=np.zeros((0, 4, 4, 1), np.uint8), y=np.zeros(0, np.int64))


def test_taking_rows_keeps_their_order() -> None:
    taken = task().take(np.array([9, 0, 3]))
    assert rows(taken) == [9, 0, 3]
    assert taken.y.tolist() == [1, 0, 0]


def test_taking_no_row_of_a_class_is_refused() -> None:
    with pytest.raises(DataError, match="class 'b' has no examples"):
        task().take(np.array([0, 1]))


def test_shots_are_so_many_of_each_class() -> None:
    assert task().shots(3, np.random.default_rng(0)).counts().tolist() == [3, 3]


def test_a_small_class_gives_the_shots_it_has() -> None:
    assert task((6, 2)).shots(5, np.random.default_rng(0)).counts().tolist() == [5, 2]


def test_shots_are_drawn_by_the_generator() -> None:
    drawn = [rows(task().shots(3, np.random.default_rng(seed))) for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_no_shots_are_refused() -> None:
    with pytest.raises(DataError, match="at least one example a class, got 0"):
        task().shots(0, np.random.default_rng(0))


def test_a_split_parts_every_class_by_its_share() -> None:
    kept, held = task((20, 10)).split(0.2, np.random.default_rng(0))
    assert held is not None
    assert kept.counts().tolist() == [16, 8]
    assert held.counts().tolist() == [4, 2]
    assert sorted(rows(kept) + rows(held)) == list(range(30))


def test_nothing_is_held_out_where_a_class_is_too_small() -> None:
    data = task((20, 3))
    assert data.split(0.2, np.random.default_rng(0)) == (data, None)


def test_nothing_is_held_out_where_nothing_is_asked_for() -> None:
    assert task().split(0.0, np.random.default_rng(0))[1] is None


def test_real_data_part_without_loss(sets: Sets) -> None:
    data = sets["digits"][0]
    kept, held = data.split(0.1, np.random.default_rng(3))
    assert held is not None
    assert set(kept.counts()) == {72}
    assert set(held.counts()) == {8}
    assert len(kept) + len(held) == len(data)
