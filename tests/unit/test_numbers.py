"""Numbers to predict: checked, learned, told with their uncertainty, and stored."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from cluster.messages import NewTask
from cluster.requests import RequestLog
from cluster.store import Store
from pathways import (
    DataError,
    FrozenPathway,
    LearnConfig,
    PathwayId,
    PathwaySpec,
    StoredPathway,
    TaskData,
    TrainConfig,
    learn,
    load_source,
    table_signature,
)
from pathways.data.numbers import tenths
from pathways.held_out import NINETY
from pathways.outputs import Number
from pathways.transfer import Source
from tests.unit.kinds import COLUMNS, PRICE, kinds

HOUSES, UNSEEN = kinds(n=1_200)["houses"]
BUDGET = LearnConfig(held_out_share=0.2, train=TrainConfig(epochs=40))


@pytest.fixture(scope="module")
def stored() -> StoredPathway:
    return learn(PathwayId("houses"), HOUSES, [], BUDGET)


def numbers(values: Any, **fields: Any) -> TaskData:
    exact = np.asarray(values)
    given = {"x": np.zeros((len(exact), 2), np.float32), "signature": table_signature(2), **fields}
    return TaskData.of_numbers(values=exact, name="size", **given)


# --- data ---------------------------------------------------------------------------------------


def test_numbers_lie_in_ten_parts_of_equal_size_by_their_own_size() -> None:
    values = np.random.default_rng(0).normal(size=200).astype(np.float32)
    parts = tenths(values)
    assert np.bincount(parts).tolist() == [20] * 10
    assert (np.diff(parts[np.argsort(values)]) >= 0).all()


def test_equal_numbers_lie_in_one_part_and_none_is_empty() -> None:
    values = np.array([0.0] * 90 + list(range(1, 11)), np.float32)
    parts = tenths(values)
    assert set(parts[:90]) == {0}
    assert sorted(set(parts.tolist())) == list(range(int(parts.max()) + 1))


def test_few_numbers_have_few_parts() -> None:
    assert tenths(np.array([1, 2, 3], np.float32)).max() == 1
    assert tenths(np.array([5, 5], np.float32)).max() == 0


def test_a_task_of_numbers_has_one_name_and_groups_for_what_needs_them() -> None:
    data = numbers(np.arange(100))
    assert (data.output, data.labels, data.groups) == ("number", ("size",), 10)
    assert data.counts().tolist() == [10] * 10
    kept, held_out = data.split(0.2, np.random.default_rng(0))
    assert held_out is not None and held_out.values is not None and kept.values is not None
    assert held_out.counts().sum() == 20
    assert sorted([*kept.values, *held_out.values]) == list(range(100))
    assert len(data.shots(3, np.random.default_rng(0))) == 30


def test_classes_have_their_labels_as_groups() -> None:
    data = kinds(n=30)["wines"][0]
    assert (data.output, data.groups) == ("classes", 3)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1.0, np.nan, 2.0], "example 1 has size = nan, which is no finite float32"),
        ([1.0, 1e300], "example 1 has size = inf, which is no finite float32; remove or scale it"),
        ([7.0, 7.0, 7.0], "all 3 values of size are 7, so there is nothing to learn"),
    ],
)
def test_numbers_that_cannot_be_learned_are_refused(values: list[float], message: str) -> None:
    with pytest.raises(DataError, match=message):
        numbers(values)


def test_values_must_be_one_number_an_input_and_have_one_name() -> None:
    data = numbers(np.arange(20))
    with pytest.raises(DataError, match="20 inputs need 20 values of size as float32"):
        replace(data, values=np.zeros(3, np.float32))
    with pytest.raises(DataError, match=r"a number to predict has one name, got 2 \(a, b\)"):
        replace(data, labels=("a", "b"))
    with pytest.raises(DataError, match="y must hold the tenths of the values of size"):
        replace(data, y=data.y[::-1].copy())


# --- learning -----------------------------------------------------------------------------------


def test_a_number_is_learned_and_its_errors_are_as_large_as_it_says(stored: StoredPathway) -> None:
    given = FrozenPathway.load(stored).probabilities(UNSEEN.x)
    assert UNSEEN.values is not None
    errors = np.abs(given[:, 0] - UNSEEN.values)
    assert 1 - np.mean(errors**2) / UNSEEN.values.var() > 0.9
    assert 0.8 < np.mean(errors <= NINETY * given[:, 1]) < 0.98
    assert given.shape == (len(UNSEEN), 2)
    assert (given[:, 1] > 0).all()


def test_what_was_held_out_is_told_in_the_number_s_own_terms(stored: StoredPathway) -> None:
    training = stored.spec.training
    assert training.held_out_accuracy is None
    assert training.held_out_r2 is not None and training.held_out_r2 > 0.9
    assert training.held_out_rmse is not None and 10_000 < training.held_out_rmse < 30_000
    assert training.held_out_coverage is not None and 0.8 < training.held_out_coverage <= 1
    assert training.held_out_examples == 180


def test_the_same_data_give_the_same_weights(stored: StoredPathway) -> None:
    again = learn(PathwayId("houses"), HOUSES, [], BUDGET)
    assert again.weights == stored.weights


def test_scale_and_stretch_are_in_the_weight_file_and_frozen(stored: StoredPathway) -> None:
    tensors = stored.tensors()
    output = FrozenPathway.load(stored).model.output
    assert isinstance(output, Number)
    assert HOUSES.values is not None
    assert float(tensors["output.spread"]) == pytest.approx(HOUSES.values.std(), rel=0.05)
    assert float(tensors["output.stretch"]) == float(output.stretch) != 1.0
    assert FrozenPathway.load(stored).verify().identical


def test_a_pathway_of_no_inputs_gives_no_numbers(stored: StoredPathway) -> None:
    assert FrozenPathway.load(stored).probabilities(UNSEEN.x[:0]).shape == (0, 2)


def test_too_few_examples_leave_the_uncertainty_as_it_was_learned() -> None:
    few = learn(PathwayId("few"), HOUSES.take(np.arange(30)), [], replace(BUDGET, train=SHORT))
    assert float(few.tensors()["output.stretch"]) == 1.0


SHORT = TrainConfig(epochs=1, min_steps=1)


def test_the_spec_says_what_comes_out_and_older_ones_are_read_as_classes(
    stored: StoredPathway,
) -> None:
    assert stored.spec.output == "number"
    assert PathwaySpec.from_json(stored.spec.to_json()) == stored.spec
    fields = json.loads(stored.spec.to_json())
    del fields["output"]
    for name in ("held_out_r2", "held_out_rmse", "held_out_coverage"):
        del fields["training"][name]
    older = PathwaySpec.from_fields(fields)
    assert (older.output, older.training.held_out_r2) == ("classes", None)


def test_a_number_is_learned_without_links_and_lends_none(stored: StoredPathway) -> None:
    wines = kinds()["wines"][0]
    source = load_source(learn(PathwayId("wines"), wines, [], LearnConfig(train=SHORT)))
    given = learn(PathwayId("houses"), HOUSES, [source], LearnConfig(threshold=0.01, train=SHORT))
    assert (given.spec.source, given.spec.links) == (None, ())
    with pytest.raises(AssertionError, match="houses@1 has no classes to link"):
        load_source(stored)


def test_a_number_cannot_be_told_from_no_example() -> None:
    with pytest.raises(DataError, match="shots is 0, but the target is a number"):
        learn(PathwayId("houses"), HOUSES, [], LearnConfig(shots=0))


def test_a_waiting_task_of_numbers_reads_back(tmp_path: Any) -> None:
    log = RequestLog(Store.open(tmp_path / "store", create=True))
    log.add({"00000001-houses": NewTask(task="houses", data=HOUSES)})
    read = log.data("00000001-houses")
    assert (read.labels, read.output) == ((PRICE,), "number")
    assert HOUSES.values is not None and read.values is not None
    np.testing.assert_array_equal(read.values, HOUSES.values)
    np.testing.assert_array_equal(read.y, HOUSES.y)


# --- a table's columns --------------------------------------------------------------------------


def test_scales_of_columns_do_not_matter() -> None:
    data = kinds()["wines"][0]
    moved = replace(data, x=data.x * np.float32(2.0**12))
    given = [learn(PathwayId("wines"), d, [], LearnConfig(train=SHORT)) for d in (data, moved)]
    answers = [
        FrozenPathway.load(g).probabilities(d.x) for g, d in zip(given, (data, moved), strict=True)
    ]
    np.testing.assert_allclose(answers[0], answers[1], atol=1e-4)


def test_a_constant_column_and_far_values_do_no_harm() -> None:
    data = kinds()["wines"][0]
    pathway = FrozenPathway.load(learn(PathwayId("wines"), data, [], LearnConfig(train=SHORT)))
    rows = data.x[:3].copy()
    rows[0, -1] = 1e9  # constant in training
    rows[1, 0] = 3e38
    rows[2, 0] = -3e38
    given = pathway.probabilities(rows)
    assert np.isfinite(given).all()
    np.testing.assert_allclose(given[0], pathway.probabilities(data.x[:1])[0], atol=1e-6)


def test_columns_are_standardised_by_training_data_alone() -> None:
    data = kinds()["wines"][0]
    tensors = learn(PathwayId("wines"), data, [], LearnConfig(train=SHORT)).tensors()
    assert tensors["body.columns.mean"].shape == (COLUMNS,)
    assert float(tensors["body.columns.scale"][-1]) == 0.0
    torch.testing.assert_close(
        tensors["body.columns.mean"][1], torch.tensor(data.x[:, 1].mean()), rtol=0.02, atol=0.0
    )


def test_a_table_and_a_text_cannot_be_changed_at_random() -> None:
    for name in ("wines", "mail"):
        with pytest.raises(DataError, match=r"cannot be changed at random .* without augment"):
            learn(
                PathwayId(name),
                kinds()[name][0],
                [],
                LearnConfig(train=TrainConfig(augment=True)),
            )


def test_a_table_builds_on_one_that_is_like_it() -> None:
    rng = np.random.default_rng(3)
    data = kinds(n=600)["wines"][0]
    source = load_source(learn(PathwayId("wines"), data, [], LearnConfig()))
    alike = replace(data, x=data.x * np.float32(1.01)).take(rng.permutation(len(data))[:150])
    linked = learn(PathwayId("more"), alike, [source], LearnConfig(shots=0))
    assert isinstance(source, Source)
    assert linked.spec.source == PathwayId("wines")
    assert linked.spec.training.held_out_accuracy is not None
    assert linked.spec.training.held_out_accuracy > 0.9
