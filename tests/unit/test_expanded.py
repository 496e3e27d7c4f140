"""What an expansion wrote is read again: by routers, by slots and for a proof."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cluster import Store
from cluster.errors import NotResident, StoreDamagedError
from cluster.routers import Routers
from cluster.slot import Slot
from cluster.verification import verify_entry, with_residents
from pathways import FrozenPathway, PathwayId, TaskData, WeightsError, load_source
from pathways.frozen import ProbeResult
from tests.unit.expanded import Network, grow
from tests.unit.networks import Sets


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory, sets: Sets) -> Network:
    return grow(tmp_path_factory.mktemp("grown") / "store", sets)


@pytest.fixture
def few(sets: Sets) -> TaskData:
    return sets["digits"][0].shots(6, np.random.default_rng(0))


@pytest.fixture
def empty(tmp_path: Path) -> Network:
    return Network(Store.open(tmp_path / "store", create=True))


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
