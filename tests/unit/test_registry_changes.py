"""Versions of a task that come and go in the registry: served again, dropped, never mixed up."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from cluster import Store
from cluster.errors import UnknownTask, VersionUnknown
from cluster.names import change_path
from cluster.registry import PathwayEntry, Registry, RegistryChange
from cluster.registry_log import RegistryLog, pack, unpack
from pathways import PathwayId, Revision, audio_signature
from tests.unit.fakes import made_up_entry, made_up_spec


def revised(id: str, of: str, parameters: int = 100) -> PathwayEntry:
    revision = Revision(kind="improved", of=PathwayId.parse(of))
    spec = replace(made_up_spec(id, parameters=parameters), revision=revision)
    return replace(made_up_entry(id), spec=spec)


def drop(*ids: str) -> RegistryChange:
    return RegistryChange(drop=tuple(map(PathwayId.parse, ids)))


def in_service(registry: Registry) -> list[str]:
    return [str(entry.id) for entry in registry.entries()]


@pytest.fixture
def registry() -> Registry:
    """Tasks a, b and c, of which b was improved."""
    first = Registry().publish(made_up_entry(f"{task}@1") for task in "abc")
    return first.publish([revised("b@2", "b@1", parameters=150)])


def test_an_earlier_version_is_served_again_in_the_same_place(registry: Registry) -> None:
    back = registry.after(RegistryChange(serve={"b": 1}))
    assert in_service(registry) == ["a@1", "b@2", "c@1"]
    assert in_service(back) == ["a@1", "b@1", "c@1"]
    assert (registry.parameters, back.parameters) == (350, 300)
    assert back.version == registry.version + 1


def test_the_version_before_is_the_one_it_was_made_of(registry: Registry) -> None:
    back = registry.after(RegistryChange(serve={"b": 1}))
    again = back.publish([revised("b@3", "b@1")])
    assert again.version_before("b").id == PathwayId("b", 1)
    with pytest.raises(VersionUnknown, match=r"a@1 has no earlier version; known versions of a: 1"):
        again.version_before("a")


def test_a_version_that_a_task_never_had_is_named(registry: Registry) -> None:
    assert registry.version_of("b", 1).id == PathwayId("b", 1)
    with pytest.raises(VersionUnknown, match="task b has no version 7; it has 1, 2"):
        registry.version_of("b", 7)
    with pytest.raises(UnknownTask):
        registry.version_of("x", 1)


def test_dropping_all_versions_removes_the_task(registry: Registry) -> None:
    after = registry.after(drop("b@1", "b@2"))
    assert in_service(after) == ["a@1", "c@1"]
    assert after.parameters == 200
    assert after.versions("b") == []
    with pytest.raises(UnknownTask):
        after.entry("b")


def test_a_version_out_of_service_can_be_dropped_alone(registry: Registry) -> None:
    after = registry.after(drop("b@1"))
    assert in_service(after) == ["a@1", "b@2", "c@1"]
    assert [entry.id.version for entry in after.versions("b")] == [2]
    assert after.parameters == registry.parameters


def test_no_id_is_used_twice_after_a_removal(registry: Registry) -> None:
    after = registry.after(drop("b@1", "b@2"))
    assert (registry.next_version("b"), after.next_version("b"), after.next_version("d")) == (
        3,
        3,
        1,
    )


def test_a_task_of_a_removed_name_comes_last_and_keeps_its_place(registry: Registry) -> None:
    again = registry.after(drop("a@1")).publish([made_up_entry("a@2")])
    later = again.publish([made_up_entry("d@1")])
    assert in_service(later) == ["b@2", "c@1", "a@2", "d@1"]


def test_a_signature_goes_with_its_last_task(registry: Registry) -> None:
    spoken = replace(made_up_spec("spoken@1"), signature=audio_signature())
    both = registry.publish([replace(made_up_entry("spoken@1"), spec=spoken)])
    assert set(both.signatures) == {"image-28x28x1", "audio-8000hz-8000"}
    assert set(both.after(drop("spoken@1")).signatures) == {"image-28x28x1"}
    assert set(both.after(drop("a@1")).signatures) == set(both.signatures)


def test_readers_of_a_task_are_found_in_all_their_versions() -> None:
    entries = [made_up_entry("a@1"), made_up_entry("b@1", source="a@1"), made_up_entry("c@1")]
    registry = Registry().publish(entries).publish([made_up_entry("b@2")])
    assert [str(entry.id) for entry in registry.readers_of("a")] == ["b@1"]
    assert registry.readers_of("b") == []


# --- in the store -------------------------------------------------------------------------------


def test_every_change_is_read_back(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "store", create=True)
    log = RegistryLog(store)
    now = log.publish(Registry(), [made_up_entry(f"{task}@1") for task in "abc"])
    for change in (
        RegistryChange(publish=(revised("b@2", "b@1"),)),
        RegistryChange(serve={"b": 1}),
        RegistryChange(publish=(made_up_entry("c@2"),), drop=(PathwayId("a"), PathwayId("c"))),
    ):
        now = log.commit(now, change)
    fresh = RegistryLog(store)
    read = fresh.load()
    assert read == now
    assert in_service(read) == ["b@1", "c@2"]
    assert [str(entry.id) for entry in fresh.dropped] == ["a@1", "c@1"]


def test_a_snapshot_remembers_the_numbers_of_what_was_dropped(registry: Registry) -> None:
    after = registry.after(drop("c@1")).after(drop("b@2")).publish([made_up_entry("b@3")])
    read = unpack(after.version, pack(after))
    assert in_service(read) == in_service(after) == ["a@1", "b@3"]
    assert read.highest == after.highest
    assert (read.next_version("c"), read.next_version("b")) == (2, 4)


def test_a_change_of_an_earlier_release_is_read(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "store", create=True)
    RegistryLog(store).publish(Registry(), [made_up_entry("a@1")])
    path = Path(store.path(change_path(1)))
    fields = json.loads(path.read_text())
    path.write_text(json.dumps({"publish": fields["publish"]}))
    assert in_service(RegistryLog(store).load()) == ["a@1"]
