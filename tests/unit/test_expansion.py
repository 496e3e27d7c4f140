"""An expansion: from waiting data to files in the store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import torch

from cluster import Store
from cluster.config import ExpansionConfig
from cluster.errors import StoreDamagedError
from cluster.expansion import Surroundings, carry_out
from cluster.messages import NewTask, WaitingTask
from cluster.names import spec_path, statistics_path, weights_path
from cluster.requests import RequestLog
from cluster.slot import Slot
from cluster.verification import verify_entry
from dispatcher import Dispatcher, TaskStatistics, make_features
from pathways import FamilyError, LearnConfig, PathwayId, PathwaySpec, Source, TaskData, TrainConfig
from pathways.weights import pack, sha256
from tests.unit.expanded import KEY, SHORT, Network, grow
from tests.unit.kinds import kinds
from tests.unit.networks import LearnedNetwork, Sets


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory, sets: Sets) -> Network:
    return grow(tmp_path_factory.mktemp("grown") / "store", sets)


@pytest.fixture
def few(sets: Sets) -> TaskData:
    return sets["digits"][0].shots(6, np.random.default_rng(0))


@pytest.fixture
def empty(tmp_path: Path) -> Network:
    return Network(Store.open(tmp_path / "store", create=True))


# --- what is written ----------------------------------------------------------------------------


def test_the_files_of_an_expansion_are_there_under_their_hashes(grown: Network) -> None:
    for entry in grown.registry.entries():
        weights = grown.store.read(entry.weights_path)
        statistics = grown.store.read(entry.statistics_path)
        assert sha256(weights) == entry.spec.weights_sha256
        assert sha256(statistics) == entry.statistics_sha256
        assert entry.weights_path == weights_path(entry.id, sha256(weights))
        assert entry.statistics_path == statistics_path(entry.id, sha256(statistics))
        spec = grown.store.read(spec_path(entry.id, sha256(weights))).decode()
        assert PathwaySpec.from_json(spec) == entry.spec


def test_an_expansion_publishes_nothing_by_itself(grown: Network) -> None:
    assert grown.store.list("registry") == []
    assert RequestLog(grown.store).ids() == ["00000001-digits", "00000002-lower"]


def test_the_statistics_route_inputs_to_their_task(grown: Network, sets: Sets) -> None:
    features = make_features("image", (28, 28, 1))
    dispatcher = Dispatcher({KEY: (features, grown.routers.solve(KEY))})
    for task, least in (("digits", 0.6), ("lower", 0.8)):
        decisions = dispatcher.decide(KEY, sets[task][1].x)
        assert np.mean([decision.tasks[0] == task for decision in decisions]) > least
        assert np.mean([decision.unknown for decision in decisions]) < 0.1


def test_the_statistics_know_every_class_but_keep_no_example(empty: Network, few: TaskData) -> None:
    learned = empty.expand("digits", few, replace(SHORT, held_out_share=0.0))
    body = empty.store.read(learned.statistics_path)
    statistics = TaskStatistics.from_arrays(safetensors.numpy.load(body))
    assert statistics.counts.tolist() == [6] * 10
    assert statistics.distances.sum() == 60
    again = safetensors.numpy.save(statistics.to_arrays())
    assert again == body


def test_the_router_learns_from_as_many_examples_as_it_may(empty: Network, few: TaskData) -> None:
    config = ExpansionConfig(router_examples=20)
    learned = empty.expand("digits", few, replace(SHORT, held_out_share=0.0), config)
    arrays = safetensors.numpy.load(empty.store.read(learned.statistics_path))
    assert arrays["counts"].tolist() == [2] * 10
    assert learned.pathway.spec.training.examples == 60


def test_the_router_never_sees_what_is_held_out(empty: Network, sets: Sets) -> None:
    data = sets["digits"][0].shots(20, np.random.default_rng(0))
    learned = empty.expand("digits", data, replace(SHORT, held_out_share=0.25))
    arrays = safetensors.numpy.load(empty.store.read(learned.statistics_path))
    assert arrays["counts"].tolist() == [15] * 10
    assert learned.pathway.spec.training.held_out_examples == 50


def test_an_expansion_done_again_writes_the_same_files(tmp_path: Path, few: TaskData) -> None:
    paths = []
    for name in ("one", "two"):
        network = Network(Store.open(tmp_path / name, create=True))
        learned = network.expand("digits", few)
        paths.append((learned.pathway.spec.weights_sha256, learned.statistics_sha256))
    assert paths[0] == paths[1]


def test_files_left_by_a_worker_that_died_are_no_obstacle(empty: Network, few: TaskData) -> None:
    first = empty.expand("digits", few)
    waiting = WaitingTask(request="00000001-digits", task="digits", config=SHORT)
    around = Surroundings(snapshot=lambda key: None, lend=lambda tasks: [], report=lambda p: None)
    again = carry_out(waiting, SHORT, empty.store, ExpansionConfig(), around)
    assert again.pathway.weights == first.pathway.weights


def test_a_module_of_a_user_s_own_starts_from_the_weights_that_came_with_it(
    empty: Network, few: TaskData
) -> None:
    weights = {"layer.weight": torch.rand(4, 784), "layer.bias": torch.rand(4)}
    still = TrainConfig(epochs=1, min_steps=0, learning_rate=1e-9)
    how = LearnConfig(
        family="tests.unit.own_modules:Returns", options={"what": "hidden"}, train=still
    )
    learned = empty.expand("digits", few, how, weights=pack(weights))
    kept = learned.pathway.tensors()["body.module.layer.weight"]
    torch.testing.assert_close(kept, weights["layer.weight"])
    slot = Slot(empty.store.uri)
    slot.load(empty.registry.entry("digits"), None)
    assert slot.verify(PathwayId("digits")).identical


@pytest.mark.parametrize(
    ("how", "message"),
    [
        (LearnConfig(family="nowhere.at_all:Net"), "on PYTHONPATH there before `sen up`"),
        (
            LearnConfig(family="tests.unit.own_modules:Returns", options={"what": "raises"}),
            "Returns failed: ZeroDivisionError: in the user's code",
        ),
    ],
)
def test_a_module_that_cannot_be_learned_leaves_nothing_behind(
    empty: Network, few: TaskData, how: LearnConfig, message: str
) -> None:
    with pytest.raises(FamilyError, match=message):
        empty.expand("digits", few, how)
    assert empty.store.list("pathways") == empty.store.list("router") == []
    assert not empty.registry.current


# --- what it takes of the network around it -----------------------------------------------------


def test_the_first_task_asks_for_no_source(empty: Network, few: TaskData) -> None:
    learned = empty.expand("digits", few)
    assert empty.lent == []
    assert learned.pathway.spec.source is None


def test_the_second_task_gets_its_source_over_a_loan(grown: Network) -> None:
    assert grown.lent == [("digits",)]
    spec = grown.registry.entry("lower").spec
    assert spec.source == PathwayId("digits")
    linked = {
        (
            grown.registry.entry("digits").spec.labels[link.source_class],
            spec.labels[link.target_class],
        )
        for link in spec.links
    }
    assert ("0", "o") in linked


def test_only_a_shortlist_is_borrowed(network: LearnedNetwork, tmp_path: Path, sets: Sets) -> None:
    asked: list[tuple[str, ...]] = []

    def lend(tasks: Sequence[str]) -> list[Source]:
        asked.append(tuple(tasks))
        return []

    store = Store.open(tmp_path / "store", create=True)
    data = sets["upper"][0].shots(4, np.random.default_rng(0))
    config = replace(SHORT, shots=0)
    RequestLog(store).add({"00000001-upper": NewTask(task="upper", data=data, config=config)})
    waiting = WaitingTask(request="00000001-upper", task="upper", config=config)
    around = Surroundings(snapshot=network.snapshots.get, lend=lend, report=lambda p: None)
    for most in (1, 2):
        carry_out(waiting, config, store, ExpansionConfig(shortlist=most), around)
    assert asked[0] == ("lower",)
    assert asked[1][0] == "lower"
    assert len(asked[1]) == 2


def test_nothing_is_borrowed_where_no_source_is_allowed(empty: Network, few: TaskData) -> None:
    empty.expand("digits", few)
    learned = empty.expand("figures", few, replace(SHORT, max_sources=0))
    assert empty.lent == []
    assert learned.pathway.spec.source is None


def test_progress_is_reported(empty: Network, few: TaskData) -> None:
    empty.expand("digits", few)
    assert [progress.epoch for progress in empty.progress] == list(range(1, 13))


def test_damaged_data_stop_the_expansion(empty: Network, few: TaskData) -> None:
    RequestLog(empty.store).add({"00000001-digits": NewTask(task="digits", data=few, config=SHORT)})
    Path(empty.store.path("requests/00000001-digits/data.safetensors")).write_bytes(b"x")
    waiting = WaitingTask(request="00000001-digits", task="digits", config=SHORT)
    around = Surroundings(snapshot=lambda key: None, lend=lambda tasks: [], report=lambda p: None)
    with pytest.raises(StoreDamagedError, match="is damaged"):
        carry_out(waiting, SHORT, empty.store, ExpansionConfig(), around)
    assert not empty.store.exists("pathways")


def test_a_number_is_learned_without_asking_for_sources(tmp_path: Path) -> None:
    grown = Network(Store.open(tmp_path / "store", create=True))
    made = kinds(n=60)
    grown.expand("wines", made["wines"][0])
    learned = grown.expand("houses", made["houses"][0])
    assert grown.lent == []
    assert (learned.pathway.spec.output, learned.pathway.spec.labels) == ("number", ("price",))
    entry = grown.registry.entry("houses")
    assert verify_entry(grown.store, entry, None).ok
