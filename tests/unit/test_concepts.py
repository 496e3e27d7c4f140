"""Concepts: labels of several tasks that stand for one thing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cluster.concepts import as_shown, check_concepts, known_concepts
from cluster.messages import NewTask
from cluster.registry import PathwayEntry, Registry
from deploy.concepts import read_concepts
from deploy.schemas import task_fields
from pathways import DataError, LearnConfig, PathwayId, PathwaySpec, TrainConfig, full_names, learn
from pathways.concepts import check_known
from tests.unit.asking import dispatcher, inputs, run
from tests.unit.fakes import made_up_entry, made_up_spec
from tests.unit.networks import LearnedNetwork, LocalSlots, Sets

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
MAP = dict(zip(WORDS, map(str, range(10)), strict=True))


def entry(id: str, labels: tuple[str, ...], **spec: object) -> PathwayEntry:
    """A task with these labels and no model behind it."""
    made = made_up_entry(id)
    return replace(made, spec=replace(made.spec, labels=labels, **{"concepts": (), **spec}))  # type: ignore[arg-type]


def test_a_label_is_its_own_concept_unless_it_is_another_s() -> None:
    assert full_names(("seven", "eight"), {}, "") == ("seven", "eight")
    assert full_names(("seven", "eight"), {"seven": "7"}, "") == ("7", "eight")
    assert full_names(("seven",), {"seven": "7"}, "digits") == ("digits:7",)


def test_a_map_of_labels_that_are_not_there_is_refused() -> None:
    with pytest.raises(DataError, match="label 'sven' that the task does not have; it has seven"):
        full_names(("seven",), {"sven": "7"}, "")


def test_two_labels_of_one_task_are_never_one_concept() -> None:
    for concepts in ({"a": "c", "b": "c"}, {"a": "b"}):
        with pytest.raises(DataError, match="labels 'a' and 'b' of one task would both be concept"):
            full_names(("a", "b"), concepts, "n")


@pytest.mark.parametrize(
    ("concepts", "namespace", "said"),
    [
        ({}, "No Way", "'No Way' cannot name a namespace"),
        ({}, "a:b", "'a:b' cannot name a namespace"),
        ({"seven": ""}, "", "both text; got 'seven': ''"),
        ({"seven": 7}, "", "both text; got 'seven': 7"),
    ],
)
def test_settings_that_make_no_sense_are_refused(
    concepts: dict[str, str], namespace: str, said: str
) -> None:
    with pytest.raises(DataError, match=said):
        LearnConfig(concepts=concepts, namespace=namespace)


def test_a_concept_must_be_some_task_s_in_its_namespace() -> None:
    known = {"7", "8", "digits:7"}
    check_known({"seven": "7", "x": "x"}, "", known)
    check_known({"seven": "7"}, "digits", known)
    with pytest.raises(DataError, match="no task in service has the concept '9' in the default"):
        check_known({"nine": "9"}, "", known)
    with pytest.raises(DataError, match=r"concept '8' in namespace 'digits', .* it has 7\. Learn"):
        check_known({"eight": "8"}, "digits", known)


def test_the_network_refuses_concepts_before_anything_is_stored(sets: Sets) -> None:
    registry = Registry().publish([entry("digits@1", tuple("0123456789"))])
    assert known_concepts(registry) == set("0123456789")

    def new(concepts: Mapping[str, str], namespace: str = "") -> NewTask:
        data = replace(sets["spoken"][1], labels=WORDS)
        config = LearnConfig(concepts=dict(concepts), namespace=namespace)
        return NewTask(task="spoken", data=data, config=config)

    check_concepts([new(MAP), new({}, "elsewhere")], registry)
    for wrong, said in (
        (new({"seven": "sieben"}), "has the concept 'sieben'"),
        (new({"sieben": "7"}), "label 'sieben' that the task does not have"),
        (new({"seven": "7"}, "digits"), "concept '7' in namespace 'digits'"),
    ):
        with pytest.raises(DataError, match=said):
            check_concepts([new(MAP), wrong], registry)


def test_a_spec_keeps_concepts_and_those_of_earlier_releases_are_their_labels() -> None:
    spec = replace(made_up_spec("a@1"), concepts=("n:x", "n:b"), namespace="n")
    assert PathwaySpec.from_json(spec.to_json()) == spec
    assert spec.shown == ("x", "b")
    old = made_up_spec("a@1").to_fields()
    del old["concepts"], old["namespace"]
    assert PathwaySpec.from_fields(old).concepts == ("a", "b")
    assert PathwaySpec.from_fields(old) == made_up_spec("a@1")


def test_a_task_tells_the_concepts_that_differ_from_its_labels() -> None:
    view = LearnedNetwork(
        store=None,  # type: ignore[arg-type]
        registry=Registry().publish([entry("w@1", ("seven", "8"), concepts=("7", "8"))]),
        snapshots={},
    ).view()
    assert task_fields(view, view.registry.entry("w"))["concepts"] == {"seven": "7"}


def test_answers_show_plain_names_and_full_ones_where_two_would_be_equal() -> None:
    plain = entry("a@1", ("7", "8")).spec
    inside = entry("b@1", ("7", "9"), concepts=("n:7", "n:9"), namespace="n").spec
    given = [("7", 0.4), ("n:7", 0.3), ("8", 0.2), ("n:9", 0.1)]
    assert as_shown(given[1::2], [inside]) == (("7", 0.3), ("9", 0.1))
    assert as_shown(given, [plain, inside]) == (("7", 0.4), ("n:7", 0.3), ("8", 0.2), ("9", 0.1))
    assert as_shown(given[::2], [plain]) == (("7", 0.4), ("8", 0.2))


def test_a_learned_task_answers_with_its_concepts(slots: LocalSlots, sets: Sets) -> None:
    registry = slots.network.registry
    digits = registry.entry("digits")
    named = tuple("abcdefghij")
    spec = replace(digits.spec, labels=named, concepts=digits.spec.labels)
    renamed = replace(
        registry, pathways=registry.pathways.set(digits.id, replace(digits, spec=spec))
    )
    given = inputs(sets, "digits")
    before = run(dispatcher(slots).answer(given, "digits"))
    after = run(dispatcher(slots, registry=renamed).answer(given, "digits"))
    assert [answer.probabilities for answer in after] == [a.probabilities for a in before]


def test_learning_keeps_what_was_declared_and_refuses_before_it_trains(sets: Sets) -> None:
    data = replace(sets["spoken"][0].shots(2, np.random.default_rng(0)), labels=WORDS)
    few = TrainConfig(epochs=1, min_steps=0)
    config = LearnConfig(train=few, concepts=MAP, namespace="n")
    spec = learn(PathwayId("spoken"), data, [], config).spec
    assert (spec.labels, spec.namespace) == (WORDS, "n")
    assert spec.concepts == tuple(f"n:{digit}" for digit in range(10))
    told: list[object] = []
    with pytest.raises(DataError, match="label 'x'"):
        learn(PathwayId("spoken"), data, [], replace(config, concepts={"x": "7"}), told.append)
    assert told == []


def test_a_file_of_concepts_holds_text_only(tmp_path: Path) -> None:
    path = tmp_path / "map.yaml"
    path.write_text("seven: 7\nno: yes\n'08': 8.0\n")
    assert read_concepts(path) == {"seven": "7", "no": "yes", "08": "8.0"}
    for wrong in ("- seven", "seven: [7]", "seven", ""):
        path.write_text(wrong)
        with pytest.raises(DataError, match=r"map\.yaml must hold a concept for each label"):
            read_concepts(path)
    path.write_text("{")
    with pytest.raises(DataError, match="cannot read the concepts in"):
        read_concepts(path)
    with pytest.raises(DataError, match="cannot read the concepts in"):
        read_concepts(tmp_path / "none.yaml")
