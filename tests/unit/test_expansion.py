"""An expansion from waiting data to files in the store, and from there to a slot and a proof."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import torch

from cluster import Store
from cluster.bodies import read_pathway
from cluster.config import ExpansionConfig
from cluster.errors import NotResident, StoreDamagedError
from cluster.expansion import Surroundings, carry_out
from cluster.messages import Learned, NewTask, WaitingTask
from cluster.names import request_id, spec_path, statistics_path, weights_path
from cluster.registry import PathwayEntry, Registry
from cluster.requests import RequestLog
from cluster.routers import Routers
from cluster.slot import Slot
from cluster.verification import verify_entry, with_residents
from dispatcher import Dispatcher, Snapshot, TaskStatistics, make_features
from pathways import (
    FamilyError,
    FrozenPathway,
    LearnConfig,
    PathwayId,
    PathwaySpec,
    Progress,
    Source,
    StoredPathway,
    TaskData,
    TrainConfig,
    WeightsError,
    load_source,
)
from pathways.frozen import ProbeResult
from pathways.weights import pack, sha256
from tests.unit.fakes import LearnedNetwork, Sets
from tests.unit.kinds import kinds

SHORT = LearnConfig(threshold=0.5, train=TrainConfig(epochs=12, min_steps=0, batch_size=64))
KEY = "image-28x28x1"


@dataclass
class Network:
    """What a controller would know, without one."""

    store: Store
    registry: Registry = field(default_factory=Registry)
    progress: list[Progress] = field(default_factory=list)
    lent: list[tuple[str, ...]] = field(default_factory=list)
    """The tasks of every loan."""

    def __post_init__(self) -> None:
        self.routers = Routers(self.store)
        self.known: set[str] = set()

    def expand(
        self,
        task: str,
        data: TaskData,
        learn: LearnConfig = SHORT,
        config: ExpansionConfig | None = None,
        weights: bytes | None = None,
    ) -> Learned:
        request = request_id(self.registry.version + 1, task)
        new = NewTask(task=task, data=data, config=learn, weights=weights)
        RequestLog(self.store).add({request: new})
        waiting = WaitingTask(request=request, task=task, config=learn)
        around = Surroundings(snapshot=self._snapshot, lend=self._lend, report=self.progress.append)
        learned = carry_out(waiting, learn, self.store, config or ExpansionConfig(), around)
        entry = learned.entry(request, datetime.now(UTC))
        self.registry = self.registry.publish([entry])
        self.known.add(self.routers.add(entry))
        return learned

    def _snapshot(self, key: str) -> Snapshot | None:
        return self.routers.solve(key) if key in self.known else None

    def _lend(self, tasks: Sequence[str]) -> list[Source]:
        self.lent.append(tuple(tasks))
        return [load_source(self.stored(self.registry.entry(task))) for task in tasks]

    def stored(self, entry: PathwayEntry) -> StoredPathway:
        return read_pathway(self.store, entry)


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory, sets: Sets) -> Network:
    """A store in which digits, then lower were learned by expansions."""
    network = Network(Store.open(tmp_path_factory.mktemp("grown") / "store", create=True))
    for task in ("digits", "lower"):
        network.expand(task, sets[task][0].shots(50, np.random.default_rng(0)))
    return network


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


# --- routers ------------------------------------------------------------------------------------


def test_damaged_statistics_are_noticed(empty: Network, few: TaskData) -> None:
    empty.expand("digits", few)
    entry = empty.registry.entry("digits")
    path = Path(empty.store.path(entry.statistics_path))
    body = bytearray(path.read_bytes())
    body[-1] ^= 1
    path.write_bytes(body)
    with pytest.raises(StoreDamagedError, match=r"router/digits/.* is damaged; restore it"):
        Routers(empty.store).add(entry)


def test_missing_statistics_are_noticed(empty: Network, few: TaskData) -> None:
    empty.expand("digits", few)
    entry = empty.registry.entry("digits")
    Path(empty.store.path(entry.statistics_path)).unlink()
    with pytest.raises(StoreDamagedError, match=r"router/digits/.* is missing"):
        Routers(empty.store).add(entry)


# --- slots --------------------------------------------------------------------------------------


def test_a_slot_runs_what_an_expansion_wrote(grown: Network, sets: Sets) -> None:
    slot = Slot(grown.store.uri)
    entries = {entry.id.task: entry for entry in grown.registry.entries()}
    for entry in entries.values():
        slot.load(entry, grown.registry.source_of(entry))
    assert slot.resident() == [PathwayId("digits"), PathwayId("lower")]
    groups = [(PathwayId(task), sets[task][1].x) for task in ("lower", "digits")]
    for (pathway, _), answers in zip(groups, slot.run(groups), strict=True):
        assert (answers.argmax(axis=1) == sets[pathway.task][1].y).mean() > 0.7
        assert slot.verify(pathway) == ProbeResult(identical=True, difference=0.0)


def test_a_slot_runs_nothing_that_is_not_resident(grown: Network, sets: Sets) -> None:
    slot = Slot(grown.store.uri)
    entry = grown.registry.entry("digits")
    slot.load(entry, None)
    slot.unload(entry.id)
    slot.unload(entry.id)
    assert slot.resident() == []
    for use in (slot.verify, slot.lend):
        with pytest.raises(NotResident, match="digits@1 is not resident in this slot"):
            use(entry.id)
    assert slot.run([(entry.id, sets["digits"][1].x)]) == [None]


def test_a_slot_lends_what_the_store_lends(grown: Network) -> None:
    slot = Slot(grown.store.uri)
    entry = grown.registry.entry("lower")
    slot.load(entry, grown.registry.source_of(entry))
    lent, read = slot.lend(entry.id), load_source(grown.stored(entry))
    assert (
        lent.head.weight.detach().numpy().tobytes() == read.head.weight.detach().numpy().tobytes()
    )


def test_a_pathway_that_cannot_be_loaded_leaves_the_slot_as_it_was(grown: Network) -> None:
    slot = Slot(grown.store.uri)
    digits = grown.registry.entry("digits")
    slot.load(digits, None)
    with pytest.raises(WeightsError, match="lower@1 needs source digits@1, got None"):
        slot.load(grown.registry.entry("lower"), None)
    assert slot.resident() == [digits.id]


# --- proof --------------------------------------------------------------------------------------


def test_what_is_intact_is_proven(grown: Network) -> None:
    for entry in grown.registry.entries():
        result = verify_entry(grown.store, entry, grown.registry.source_of(entry))
        assert result.ok
        assert (result.task, result.pathway, result.difference) == (entry.id.task, entry.id, 0.0)


@pytest.mark.parametrize("damage", ["changed", "missing"])
def test_damaged_weights_are_told_with_the_pathway(
    empty: Network, few: TaskData, damage: str
) -> None:
    empty.expand("digits", few)
    entry = empty.registry.entry("digits")
    path = Path(empty.store.path(entry.weights_path))
    if damage == "changed":
        path.write_bytes(path.read_bytes()[:-1] + b"\xaa")
    else:
        path.unlink()
    result = verify_entry(empty.store, entry, None)
    assert not result.ok
    assert not result.stored_intact
    assert result.difference is None
    assert "digits" in (result.error or "")


def test_a_resident_copy_that_differs_makes_the_task_differ(grown: Network) -> None:
    entry = grown.registry.entry("digits")
    stored = [verify_entry(grown.store, entry, None)]
    same, differs = (
        ProbeResult(identical=True, difference=0.0),
        ProbeResult(identical=False, difference=0.2),
    )
    assert with_residents(stored, []) == stored
    assert with_residents(stored, [(entry.id, same)]) == stored
    for copies in ([same, differs], [differs, same]):
        (found,) = with_residents(stored, [(entry.id, copy) for copy in copies])
        assert (found.ok, found.stored_intact, found.difference) == (False, True, 0.2)
    (lost,) = with_residents(stored, [(entry.id, NotResident("gone"))])
    assert (lost.ok, lost.error) == (False, "its slot: gone")


def test_earlier_pathways_are_bit_for_bit_as_they_were(empty: Network, few: TaskData) -> None:
    empty.expand("digits", few)
    entry = empty.registry.entry("digits")
    before = empty.store.read(entry.weights_path)
    empty.expand("figures", few)
    assert empty.store.read(entry.weights_path) == before
    assert FrozenPathway.load(empty.stored(entry)).verify().identical


def test_a_number_is_learned_without_asking_for_sources(tmp_path: Path) -> None:
    grown = Network(Store.open(tmp_path / "store", create=True))
    made = kinds(n=60)
    grown.expand("wines", made["wines"][0])
    learned = grown.expand("houses", made["houses"][0])
    assert grown.lent == []
    assert (learned.pathway.spec.output, learned.pathway.spec.labels) == ("number", ("price",))
    entry = grown.registry.entry("houses")
    assert verify_entry(grown.store, entry, None).ok
