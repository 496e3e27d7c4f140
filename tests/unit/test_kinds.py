"""Tables, texts and numbers to predict: from inputs to answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cluster.client import as_inputs
from cluster.dispatch import NetworkDispatcher, features_for
from cluster.expansion import learn_routing
from cluster.inputs import Batch, Input, batch_from_array, fit, inputs_from_array, read_inputs
from cluster.messages import Answer, Value
from cluster.running import Running
from dispatcher import NoTaskFits, Router, SelectConfig
from pathways import (
    DataError,
    Modality,
    SignatureError,
    image_signature,
    table_signature,
    text_signature,
)
from tests.unit.asking import first_task, run
from tests.unit.kinds import COLUMNS, PRICE, TOKENS, VOCABULARY, Split, kinds, learned_kinds, noise
from tests.unit.networks import LearnedNetwork, LocalSlots

TASKS = ("wines", "houses", "mail", "recipes")


ROWS, TEXT = table_signature(COLUMNS), text_signature(TOKENS, VOCABULARY)


@pytest.fixture(scope="module")
def made() -> dict[str, Split]:
    return kinds(n=400)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory, made: dict[str, Split]) -> LearnedNetwork:
    return learned_kinds(tmp_path_factory.mktemp("kinds") / "store", made)


def asked(network: LearnedNetwork, config: SelectConfig) -> NetworkDispatcher:
    slots = LocalSlots(network)
    dispatcher = NetworkDispatcher(config, Running(slots.run, slots.wake))
    dispatcher.adopt(network.view(), network.snapshots)
    return dispatcher


@pytest.fixture
def sen(network: LearnedNetwork) -> NetworkDispatcher:
    return asked(network, SelectConfig())


def batch(made: dict[str, Split], name: str, n: int | None = None) -> Batch:
    data = made[name][1]
    return batch_from_array(data.x[:n], kind=data.signature.modality)


# --- what arrays are ----------------------------------------------------------------------------


def test_an_array_is_what_its_kind_says() -> None:
    (row,) = inputs_from_array(np.array([[1, 2, 3]]), kind="table")
    assert (row.observed, row.array.dtype) == (table_signature(3), np.float32)
    (text,) = inputs_from_array(np.array([[7, 2, 0, 9, 0, 0]]), kind="text")
    assert (text.observed, text.array.dtype) == (text_signature(4, 10), np.int32)
    (image,) = inputs_from_array(np.zeros((1, 3, 4)), kind="image")
    assert image.observed == image_signature(3, 4)


def test_a_text_of_nothing_but_padding_has_a_signature() -> None:
    assert Input(array=np.zeros(5, np.int32), kind="text").observed == text_signature(1, 2)


@pytest.mark.parametrize(
    ("array", "kind", "message"),
    [
        ([1.0, 2.0], "table", r"a table must be an array of numbers \[n, columns\]"),
        ([["a"]], "table", "a table must be an array of numbers"),
        ([[1.0, np.nan]], "table", "row 0 of the table holds nan in column 1"),
        ([[1.0], [1e300]], "table", r"row 1 of the table holds 1e\+300 in column 0"),
        ([[1.5]], "text", r"the text must be an integer array of token ids \[n, tokens\]"),
        ([[-1, 3]], "text", "the text holds token ids from -1 to 3"),
        ([[2**40]], "text", "the text holds token ids from 1099511627776"),
        ([[1.0]], "video", "there is no kind of input 'video'; there are image, audio, table"),
        ([[1.0]], "audio", "rate_hz is 0, but the kind of input is audio"),
    ],
)
def test_arrays_of_another_kind_are_refused(array: Any, kind: Modality, message: str) -> None:
    with pytest.raises(DataError, match=message):
        batch_from_array(np.array(array), kind=kind)


def test_a_table_has_no_rate() -> None:
    with pytest.raises(DataError, match="rate_hz is 8000, but the kind of input is table"):
        batch_from_array(np.ones((1, 2)), 8_000, "table")


def test_text_is_padded_or_cut_and_cutting_is_noted() -> None:
    ids = np.array([5, 0, 7, 0], np.int32)
    padded, notes = fit(Input(array=ids, kind="text"), text_signature(6, 9))
    assert (padded.tolist(), notes) == ([5, 0, 7, 0, 0, 0], ())
    same, notes = fit(Input(array=ids, kind="text"), text_signature(3, 9))
    assert (same.tolist(), notes) == ([5, 0, 7], ())
    cut, notes = fit(Input(array=ids, kind="text"), text_signature(2, 9))
    assert (cut.tolist(), notes) == ([5, 0], ("cut from 3 to 2 tokens",))


@pytest.mark.parametrize(
    ("given", "wanted", "message"),
    [
        (Input(array=np.array([9], np.int32), kind="text"), text_signature(4, 9), "token id 9"),
        (Input(array=np.array([9], np.int32), kind="text"), ROWS, "send a row of a table instead"),
        (Input(array=np.ones(3, np.float32), kind="table"), ROWS, "a row of 3 columns was given"),
        (Input(array=np.ones(3, np.float32), kind="table"), TEXT, "send text instead"),
        (Input(array=np.ones((4, 4, 1), np.uint8)), ROWS, "an image was given where table-6"),
    ],
)
def test_inputs_of_another_kind_than_the_task_s_are_refused(
    given: Input, wanted: Any, message: str
) -> None:
    with pytest.raises(SignatureError, match=message):
        fit(given, wanted)


def test_every_row_of_a_csv_file_is_an_input(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("a,b,label,price\n1,2,x,9\n3,4,y,8\n")
    read = read_inputs(path, without={"price"})
    assert [given.array.tolist() for given in read] == [[1, 2], [3, 4]]
    assert {given.modality for given in read} == {"table"}
    assert [given.array.tolist() for given in as_inputs([path])] == [[1, 2, 9], [3, 4, 8]]


# --- dispatched ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TASKS)
def test_inputs_find_their_task_by_themselves(
    sen: NetworkDispatcher, made: dict[str, Split], name: str
) -> None:
    answers = run(sen.answer(batch(made, name)))
    assert np.mean([first_task(answer) == name for answer in answers]) > 0.9
    assert np.mean([answer.unknown for answer in answers]) < 0.05
    told = run(sen.answer(batch(made, name), name))
    data = made[name][1]
    if data.output == "classes":
        labels = [data.labels[c] for c in data.y]
        for given in (answers, told):
            right = [a.label == label for a, label in zip(given, labels, strict=True)]
            assert np.mean(right) > 0.85


def test_a_number_is_told_with_its_uncertainty(
    sen: NetworkDispatcher, made: dict[str, Split]
) -> None:
    answers = run(sen.answer(batch(made, "houses"), "houses"))
    values = made["houses"][1].values
    assert values is not None
    for answer in answers:
        assert (answer.label, answer.probabilities, answer.unknown) == (None, (), False)
        assert [value.name for value in answer.values] == [PRICE]
    told = np.array([answer.values[0].value for answer in answers])
    assert 1 - np.mean((told - values) ** 2) / values.var() > 0.9
    assert all(answer.values[0].deviation > 0 for answer in answers)
    assert all(answer.values[0].weight == 1 for answer in answers)


def test_labels_and_numbers_of_two_pathways_are_told_together(
    network: LearnedNetwork, made: dict[str, Split]
) -> None:
    sen = asked(network, SelectConfig(second_above=0.0))
    answers = run(sen.answer(batch(made, "wines", 20)))
    both = [answer for answer in answers if len(answer.activated) == 2]
    assert len(both) > 10
    for answer in both:
        weights = {a.pathway.task: a.weight for a in answer.activated}
        assert sum(p for _, p in answer.probabilities) == pytest.approx(weights["wines"], abs=1e-5)
        assert [value.name for value in answer.values] == [PRICE]
        assert answer.values[0].weight == pytest.approx(weights["houses"])
        assert answer.label in ("barolo", "barbera", "grignolino")


@pytest.mark.parametrize("key", ["table-6", "text-24-of-400"])
def test_what_is_like_nothing_learned_is_unknown(sen: NetworkDispatcher, key: str) -> None:
    kind: Modality = "table" if key.startswith("table") else "text"
    answers = run(sen.answer(batch_from_array(noise(key), kind=kind)))
    assert np.mean([answer.unknown for answer in answers]) > 0.9
    assert all(not answer.values for answer in answers if answer.unknown)


def test_a_table_of_another_width_fits_no_task(sen: NetworkDispatcher) -> None:
    with pytest.raises(NoTaskFits, match=r"like table-5; .*Give as many columns as one of these"):
        run(sen.answer(batch_from_array(np.ones((1, 5)), kind="table")))
    with pytest.raises(NoTaskFits, match=r"like text-2-of-900; .*Give ids of one of these"):
        run(sen.answer(batch_from_array(np.array([[1, 899]]), kind="text")))
    with pytest.raises(NoTaskFits, match=r"like image-4x4x1; .*learn a task of this kind"):
        run(sen.answer(batch_from_array(np.ones((1, 4, 4)))))


def test_texts_of_any_length_are_answered_alike_alone_and_together(
    sen: NetworkDispatcher, made: dict[str, Split]
) -> None:
    x = made["mail"][1].x[:6]
    longer = np.concatenate([x, np.repeat(x[:, :1], 4, axis=1)], axis=1)
    together = run(sen.answer(batch_from_array(longer, kind="text")))
    alone = [run(sen.answer(batch_from_array(row[None], kind="text")))[0] for row in longer]
    assert [answer.label for answer in together] == [answer.label for answer in alone]
    assert all(answer.notes == ("cut from 28 to 24 tokens",) for answer in together)


# --- drawn --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given",
    [
        Input(array=np.array([1e6, -3, 0.1], np.float32), kind="table"),
        Input(array=np.array([4, 2, 0], np.int32), kind="text"),
    ],
    ids=["table", "text"],
)
def test_a_number_is_drawn_beside_its_input(given: Input) -> None:
    value = Value(name=PRICE, value=5.0, deviation=2.0, weight=1.0)
    answer = Answer(
        probabilities=(),
        activated=(),
        unknown=False,
        network_version=1,
        values=(value,),
        given=given,
    )
    shown, numbers = answer.plot()
    assert len(shown.patches) == 3
    assert [tick.get_text() for tick in numbers.get_yticklabels()] == [PRICE]
    assert numbers.get_xlim()[0] < 5 - 1.64 * 2
    numbers.figure.canvas.draw()


def test_a_network_of_every_kind_is_drawn(network: LearnedNetwork) -> None:
    axes = network.view().plot()
    assert {text.get_text() for text in axes.get_legend().get_texts()} >= {"table", "text"}


def test_columns_about_a_large_mean_can_be_routed_alone() -> None:
    data = kinds(4_000)["wines"][0]
    features = features_for(data.signature)
    router = Router(features.dim)
    router.add("wines", learn_routing(features, data))
    tasks = router.solve().route(features(data.x[:50])).tasks
    assert (tasks[:, 0] == 0).all()
