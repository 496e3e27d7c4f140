"""Choosing at most two pathways and putting their answers together."""

from __future__ import annotations

import numpy as np
import pytest

from dispatcher import (
    Blended,
    Decision,
    DispatcherError,
    SelectConfig,
    blend,
    merge,
    rows_by_task,
    select,
)

TASKS = np.array([[0, 1, 2], [2, 0, 1], [1, 2, 0]])
PROBABILITIES = np.array([[0.7, 0.3, 0.0], [0.99, 0.01, 0.0], [0.5, 0.3, 0.2]], dtype=np.float32)


def test_at_most_two_are_selected_best_first() -> None:
    chosen = select(TASKS, PROBABILITIES, SelectConfig(second_above=0.05))
    assert chosen.indices.tolist() == [[0, 1], [2, -1], [1, 2]]
    np.testing.assert_allclose(chosen.weights, [[0.7, 0.3], [1, 0], [0.625, 0.375]], rtol=1e-6)


def test_one_is_selected_when_one_is_asked_for() -> None:
    chosen = select(TASKS, PROBABILITIES, SelectConfig(max_active=1))
    assert chosen.indices.tolist() == [[0, -1], [2, -1], [1, -1]]
    assert chosen.weights.tolist() == [[1, 0]] * 3


def test_a_single_task_is_always_selected() -> None:
    chosen = select(np.zeros((2, 1), np.int64), np.ones((2, 1)), SelectConfig())
    assert chosen.indices.tolist() == [[0, -1]] * 2


def test_a_task_of_no_probability_is_no_second() -> None:
    certain = np.array([[1.0, 0.0, 0.0]])
    assert select(TASKS[:1], certain, SelectConfig(second_above=0)).indices.tolist() == [[0, -1]]


def test_no_rows_give_no_rows() -> None:
    none = np.zeros((0, 3), np.int64)
    assert select(none, np.zeros((0, 3)), SelectConfig()).indices.shape == (0, 2)


def test_probabilities_of_another_shape_are_refused() -> None:
    with pytest.raises(DispatcherError, match="M >= 1"):
        select(TASKS, np.ones(3), SelectConfig())


def test_merging_adds_shared_labels_and_sums_to_one() -> None:
    merged = merge(
        [
            (0.6, ["leopard", "cat"], np.array([0.5, 0.5])),
            (0.4, ["dog", "leopard"], np.array([0.25, 0.75])),
        ]
    )
    assert [label for label, _ in merged] == ["leopard", "cat", "dog"]
    np.testing.assert_allclose([p for _, p in merged], [0.6, 0.3, 0.1])
    assert sum(p for _, p in merged) == pytest.approx(1.0)


def test_equally_probable_labels_are_in_order() -> None:
    merged = merge([(1.0, ["b", "a"], np.array([0.5, 0.5], dtype=np.float32))])
    assert [label for label, _ in merged] == ["a", "b"]


def test_labels_and_probabilities_must_match() -> None:
    with pytest.raises(DispatcherError, match="2 labels"):
        merge([(1.0, ["a", "b"], np.ones(3))])
    with pytest.raises(DispatcherError, match="no pathway"):
        merge([])


def test_rows_are_grouped_by_pathway_but_for_unknown_inputs() -> None:
    decisions = [
        Decision(("a", "b"), (0.6, 0.4), 0.5),
        Decision(("b",), (1.0,), 2.0),
        Decision(("b",), (1.0,), 0.9),
    ]
    assert rows_by_task(decisions) == {"a": [0], "b": [0, 2]}
    assert [decision.unknown for decision in decisions] == [False, True, False]


def test_a_number_of_one_pathway_stays_as_it_is() -> None:
    assert blend([(0.25, "price", 10.0, 2.0)]) == [Blended("price", 10.0, 2.0, 0.25)]
    assert blend([]) == []


def test_a_number_of_two_pathways_has_the_moments_of_their_mixture() -> None:
    (blended,) = blend([(0.6, "price", 10.0, 1.0), (0.2, "price", 14.0, 3.0)])
    rng = np.random.default_rng(0)
    first = rng.random(400_000) < 0.75
    drawn = np.where(first, rng.normal(10, 1, 400_000), rng.normal(14, 3, 400_000))
    assert (blended.value, blended.weight) == (pytest.approx(11.0), pytest.approx(0.8))
    assert blended.value == pytest.approx(drawn.mean(), abs=0.02)
    assert blended.deviation == pytest.approx(drawn.std(), rel=0.01)


def test_numbers_of_other_names_are_told_most_probable_first() -> None:
    blended = blend([(0.3, "b", 1.0, 1.0), (0.5, "c", 2.0, 1.0), (0.3, "a", 3.0, 1.0)])
    assert [number.name for number in blended] == ["c", "a", "b"]
