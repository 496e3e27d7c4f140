"""Forests and support vector machines: scikit-learn's answers, computed without it."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier
from sklearn.multiclass import OneVsRestClassifier
from sklearn.svm import SVC

from pathways import (
    FamilyError,
    FrozenPathway,
    LearnConfig,
    PathwayId,
    Progress,
    StoredPathway,
    TaskData,
    TrainConfig,
    check_learnable,
    image_signature,
    learn,
    load_source,
    table_signature,
)
from pathways.families import make_body
from pathways.families.fitted import Fit
from pathways.families.forest import ForestBody, from_trees, smoothed
from pathways.families.svm import SvmBody
from tests.unit.networks import Sets

Stored = dict[str, StoredPathway]

FOREST = LearnConfig(family="forest", options={"trees": 30, "leaves": 60})
SVM = LearnConfig(family="svm", options={"examples": 400})
BOTH = pytest.mark.parametrize("how", [FOREST, SVM], ids=["forest", "svm"])


@pytest.fixture(scope="module")
def fitted(sets: Sets) -> Stored:
    """digits, as a forest and as support vector machines."""
    given = {"forest": FOREST, "svm": SVM}
    return {name: learn(PathwayId(name), sets["digits"][0], [], how) for name, how in given.items()}


def accuracy(given: StoredPathway, data: TaskData) -> float:
    answers = FrozenPathway.load(given).probabilities(data.x)
    return float((answers.argmax(axis=1) == data.y).mean())


def flat(data: TaskData) -> NDArray[np.float32]:
    return (data.x.reshape(len(data.x), -1) / np.float32(255)).astype(np.float32)


def two(data: TaskData, *, of: int = 2) -> TaskData:
    """The examples of the first classes only."""
    rows = data.y < of
    return TaskData(
        x=data.x[rows], y=data.y[rows], labels=data.labels[:of], signature=data.signature
    )


def fit(family: str, data: TaskData, **options: Any) -> Fit:
    body: Any = make_body(family, data.signature, options)
    return body.fit(torch.from_numpy(data.x), data.y, len(data.labels), 3, lambda done, of: None)


def evidence(found: Fit, data: TaskData) -> NDArray[np.float32]:
    with torch.inference_mode():
        return found.body(found.body.prepare(torch.from_numpy(data.x))).numpy()


@pytest.mark.parametrize("depth", [1, 3, 20])
def test_a_forest_gives_scikit_learn_s_probabilities(sets: Sets, depth: int) -> None:
    train, test = sets["digits"]
    found = fit("forest", train, trees=12, depth=depth, leaves=40)
    theirs = RandomForestClassifier(
        12, max_depth=depth, max_leaf_nodes=40, max_samples=len(train), random_state=3
    ).fit(flat(train), train.y)
    body = found.body
    assert isinstance(body, ForestBody)
    ours = body.distributions(body.prepare(torch.from_numpy(test.x)))
    np.testing.assert_allclose(ours.numpy(), theirs.predict_proba(flat(test)), atol=1e-6)
    np.testing.assert_allclose(np.exp(evidence(found, test)).sum(axis=1), 1, atol=1e-5)


def test_a_threshold_between_two_values_that_float32_can_hold_parts_them() -> None:
    low = np.float32(0.1)
    high = np.nextafter(low, np.float32(1))
    fitting = RandomForestClassifier(1, bootstrap=False, random_state=0).fit([[0.0], [1.0]], [0, 1])
    tree = fitting.estimators_[0].tree_
    for threshold in (np.float64(low), (np.float64(low) + 2 * np.float64(high)) / 3):
        tree.threshold[0] = threshold
        body = from_trees(image_signature(1, 1, 1), ForestBody.Options(trees=1), [tree], classes=2)
        x = np.array([[low], [high]])
        np.testing.assert_array_equal(body.distributions(torch.from_numpy(x)), np.eye(2))
        np.testing.assert_array_equal(fitting.predict_proba(x), np.eye(2))


def test_smoothing_is_one_more_tree_that_knows_nothing() -> None:
    sure = smoothed(torch.tensor([[1.0, 0.0]]), trees=9)
    torch.testing.assert_close(sure, torch.tensor([[0.95, 0.05]]))


@pytest.mark.parametrize("classes", [2, 10])
def test_support_vector_machines_decide_as_scikit_learn_s(sets: Sets, classes: int) -> None:
    train, test = (two(data, of=classes) for data in sets["digits"])
    found = fit("svm", train, c=3.0, gamma=0.5)
    width = 0.5 / (784 * flat(train).var())
    theirs = OneVsRestClassifier(SVC(C=3.0, gamma=width, tol=1e-5)).fit(flat(train), train.y)
    wanted = theirs.decision_function(flat(test))
    given = evidence(found, test)
    np.testing.assert_allclose(given if classes > 2 else given[:, 1], wanted, atol=1e-4)


def test_the_answers_of_support_vector_machines_are_calibrated(sets: Sets, fitted: Stored) -> None:
    test = sets["digits"][1]
    sure = FrozenPathway.load(fitted["svm"]).probabilities(test.x).max(axis=1).mean()
    assert abs(sure - accuracy(fitted["svm"], test)) < 0.1


@pytest.mark.parametrize("name", ["forest", "svm"])
def test_a_fitted_pathway_is_accurate_and_proves_itself(
    sets: Sets, fitted: Stored, name: str
) -> None:
    given = fitted[name]
    assert accuracy(given, sets["digits"][1]) > 0.8
    assert FrozenPathway.load(given).verify().identical
    training = given.spec.training
    assert (training.examples, training.epochs) == (720, 0)
    assert training.train_accuracy > 0.9
    assert training.held_out_accuracy and training.held_out_accuracy > 0.8
    assert given.spec.parameters > 0.9 * len(given.weights) / 4


@BOTH
def test_a_seed_gives_the_same_bytes(sets: Sets, fitted: Stored, how: LearnConfig) -> None:
    assert how.family
    again = learn(PathwayId(how.family), sets["digits"][0], [], how)
    assert again.weights == fitted[how.family].weights


@BOTH
def test_two_classes_and_one_example_of_each_are_enough(sets: Sets, how: LearnConfig) -> None:
    train, test = (two(data) for data in sets["digits"])
    given = learn(PathwayId("two"), train, [], replace(how, shots=1))
    assert accuracy(given, test) > 0.5
    assert accuracy(learn(PathwayId("two"), train, [], how), test) > 0.95


@BOTH
def test_sounds_are_read_as_pictures_of_the_word(sets: Sets, how: LearnConfig) -> None:
    train, test = sets["spoken"]
    assert accuracy(learn(PathwayId("spoken"), train, [], how), test) > 0.5


@BOTH
def test_the_columns_of_a_table_may_have_any_scale(how: LearnConfig) -> None:
    rng = np.random.default_rng(0)
    told = rng.normal(size=300)  # by its sign; the other columns are loud, or the same for all
    x = np.stack([1e-4 * told, 1e4 * rng.normal(size=300), np.full(300, 7.0)], axis=1)
    data = TaskData(
        x=x.astype(np.float32),
        y=(told > 0).astype(np.int64),
        labels=("below", "above"),
        signature=table_signature(3),
    )
    given = learn(PathwayId("table"), data, [], how)
    assert given.spec.training.held_out_accuracy and given.spec.training.held_out_accuracy > 0.85
    assert FrozenPathway.load(given).verify().identical


def test_serving_a_fitted_pathway_does_not_import_scikit_learn(
    fitted: Stored, tmp_path: Any
) -> None:
    for name, given in fitted.items():
        (tmp_path / f"{name}.json").write_text(given.spec.to_json())
        (tmp_path / f"{name}.weights").write_bytes(given.weights)
    code = f"""
import sys
from pathlib import Path
from pathways import FrozenPathway, PathwaySpec, StoredPathway
for name in ("forest", "svm"):
    spec = PathwaySpec.from_json(Path({str(tmp_path)!r}, name + ".json").read_text())
    weights = Path({str(tmp_path)!r}, name + ".weights").read_bytes()
    assert FrozenPathway.load(StoredPathway(spec=spec, weights=weights)).verify().difference < 1e-5
assert not any(name.split(".")[0] == "sklearn" for name in sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_work_is_bounded_by_the_options(sets: Sets) -> None:
    train = sets["digits"][0]
    svm = fit("svm", train, examples=100).body
    forest = fit("forest", train, trees=3, leaves=5).body
    assert isinstance(svm, SvmBody) and isinstance(forest, ForestBody)
    assert svm.options.vectors <= 100
    assert forest.options.nodes == 3 * 9
    assert len(forest.distribution) == 3 * 5


def test_fitting_tells_how_far_it_is(sets: Sets) -> None:
    heard: list[Progress] = []
    learn(PathwayId("digits"), sets["digits"][0], [], FOREST, heard.append)
    assert {p.unit for p in heard} == {"tree"}
    assert [p.epoch for p in heard] == [5, 10, 15, 20, 25, 30, 30]
    assert {p.epochs for p in heard} == {30}
    assert heard[-1].accuracy > 0.9
    heard.clear()
    learn(PathwayId("digits"), sets["digits"][0], [], replace(SVM, shots=5), heard.append)
    assert (heard[-1].unit, heard[-1].epoch, heard[-1].epochs) == ("machine", 40, 40)


# --- links


def test_a_forest_is_compared_with_but_lends_nothing(sets: Sets, fitted: Stored) -> None:
    sources = [load_source(fitted["svm"])]
    given = learn(PathwayId("again"), sets["digits"][0], sources, LearnConfig(shots=20))
    assert given.spec.source is None
    assert given.spec.training.remark
    assert given.spec.training.remark.startswith("most similar to svm (")
    assert given.spec.training.remark.endswith("), which has no hidden units to lend")
    label = given.spec.training.remark.partition("(")[2][0]
    assert f"({label} → {label} 0." in given.spec.training.remark


def test_one_that_lends_is_taken_even_if_another_is_more_alike(
    sets: Sets, stored: Stored, fitted: Stored
) -> None:
    how = LearnConfig(shots=20, threshold=0.3)
    sources = [load_source(fitted["svm"]), load_source(stored["lower"])]
    given = learn(PathwayId("again"), sets["digits"][0], sources, how)
    assert given.spec.source == PathwayId("lower")
    assert given.spec.training.remark is None


@BOTH
def test_a_fitted_task_is_compared_with_earlier_ones_but_takes_no_links(
    sets: Sets, stored: Stored, how: LearnConfig
) -> None:
    sources = [load_source(stored["digits"])]
    given = learn(PathwayId("again"), sets["digits"][0], sources, how)
    assert given.spec.source is None
    remark = given.spec.training.remark
    assert remark and "most similar to digits (" in remark
    assert remark.endswith(
        f"but a model of family {how.family} has no hidden layer that links could lead to"
    )


def test_where_nothing_is_alike_there_is_no_remark(sets: Sets, stored: Stored) -> None:
    how = replace(FOREST, threshold=1.0)
    given = learn(PathwayId("upper"), sets["upper"][0], [load_source(stored["digits"])], how)
    assert given.spec.training.remark is None


@BOTH
@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ({"shots": 0}, "cannot be learned from links alone; give it examples"),
        ({"train": TrainConfig(augment=True)}, "as they are; leave augment out"),
        ({"train": TrainConfig(mixed_precision=True)}, "as they are; leave mixed_precision out"),
        ({"options": {"classes": 10}}, "has no option 'classes'; its options are"),
        ({"options": {"examples": 0}}, "examples of family .* must be 1 or more, got 0"),
    ],
)
def test_what_fitting_cannot_give_is_refused(
    sets: Sets, how: LearnConfig, wish: dict[str, Any], message: str
) -> None:
    asked = replace(how, **wish)
    with pytest.raises(FamilyError, match=message):
        learn(PathwayId("digits"), sets["digits"][0], [], asked)
    with pytest.raises(FamilyError, match=message):
        check_learnable(asked, sets["digits"][0].signature, weights=False)


def test_a_file_of_weights_is_refused(sets: Sets) -> None:
    for how in (FOREST, SVM, LearnConfig()):
        with pytest.raises(FamilyError, match=r"only a torchvision backbone .* leave the file out"):
            learn(PathwayId("digits"), sets["digits"][0], [], how, initial={})
