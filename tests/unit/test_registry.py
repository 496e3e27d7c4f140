"""The registry: an append-only log in the store; a commit is one file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cluster import Store
from cluster.errors import StoreDamagedError, StoreError, UnknownTask
from cluster.names import change_path
from cluster.registry import PathwayEntry, Registry
from cluster.registry_log import RegistryLog
from pathways import PathwayId, StoredPathway
from tests.unit.fakes import made_up_entry, open_directory, powerless


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "store", create=True)


def commit_each(store: Store, *entries: PathwayEntry) -> Registry:
    """One network version for each entry."""
    log = RegistryLog(store)
    registry = log.load()
    for entry in entries:
        registry = log.publish(registry, [entry])
    return registry


def abc(store: Store) -> Registry:
    return commit_each(store, *(made_up_entry(f"{task}@1") for task in "abc"))


def tasks_of(registry: Registry) -> list[str]:
    return [entry.id.task for entry in registry.entries()]


def overwrite(store: Store, name: str, text: str) -> None:
    Path(store.path(name)).write_text(text)


# --- publishing ---------------------------------------------------------------------------------


def test_an_empty_registry_has_version_0_and_no_task() -> None:
    registry = Registry()
    assert registry.version == 0
    assert registry.entries() == []
    with pytest.raises(UnknownTask, match="no task is called 'a'; known tasks: none yet"):
        registry.entry("a")


def test_publishing_gives_the_next_version_and_keeps_the_old_one() -> None:
    first = Registry().publish([made_up_entry("a@1")])
    second = first.publish([made_up_entry("b@1"), made_up_entry("c@1")])
    assert (first.version, second.version) == (1, 2)
    assert tasks_of(first) == ["a"]
    assert tasks_of(second) == ["a", "b", "c"]


def test_a_new_version_of_a_pathway_replaces_the_old_one_which_stays_known() -> None:
    old, new = made_up_entry("a@1"), made_up_entry("a@2")
    registry = Registry().publish([old]).publish([made_up_entry("b@1")]).publish([new])
    assert registry.entry("a") is new
    assert registry.pathways[PathwayId("a", 1)] is old
    assert [str(entry.id) for entry in registry.entries()] == ["a@2", "b@1"]


def test_an_unknown_task_is_refused_with_the_known_ones() -> None:
    registry = Registry().publish([made_up_entry("a@1"), made_up_entry("b@1")])
    with pytest.raises(UnknownTask, match="no task is called 'c'; known tasks: a, b"):
        registry.entry("c")


def test_of_thousands_of_known_tasks_a_few_are_named() -> None:
    registry = Registry().publish(made_up_entry(f"t{n:04d}@1") for n in range(1234))
    with pytest.raises(UnknownTask, match=r"known tasks: t\d{4}, .*, … and 1,224 more") as caught:
        registry.entry("x")
    assert len(str(caught.value)) < 200


def test_sums_over_the_tasks_in_service_go_along_with_every_version() -> None:
    registry = Registry()
    for number in range(30):
        entry = made_up_entry(f"t{number % 7}@{number // 7 + 1}", parameters=number + 1)
        registry = registry.publish([entry])
        in_service = registry.entries()
        assert registry.parameters == sum(e.spec.parameters for e in in_service)
        assert dict(registry.signatures) == {
            e.spec.signature.key: e.spec.signature for e in in_service
        }
        assert len(registry.current) == len(in_service) == min(number + 1, 7)


def test_a_pathway_s_source_is_found_in_the_version_it_names() -> None:
    registry = Registry()
    for entry in (made_up_entry("a@1"), made_up_entry("b@1", source="a@1"), made_up_entry("a@2")):
        registry = registry.publish([entry])
    source = registry.source_of(registry.entry("b"))
    assert source
    assert source.id == PathwayId("a", 1)
    assert registry.source_of(registry.entry("a")) is None


# --- the share of weights at work ---------------------------------------------------------------


def shares() -> Registry:
    """a: 100 weights of its own; b and c: 150 and 250, and 60 of a's body; d: 500."""
    entries = [
        made_up_entry("a@1", parameters=100),
        made_up_entry("b@1", source="a@1", parameters=150, lent=60),
        made_up_entry("c@1", source="a@1", parameters=250, lent=60),
        made_up_entry("d@1", parameters=500),
    ]
    return Registry().publish(entries)


@pytest.mark.parametrize(
    ("tasks", "weights"),
    [
        ("", 0),
        ("a", 100),
        ("b", 150 + 60),
        ("bd", 150 + 60 + 500),
        ("bc", 150 + 250 + 60),
        ("ab", 100 + 150),
        ("abcd", 1_000),
    ],
)
def test_a_shared_source_counts_once(tasks: str, weights: int) -> None:
    activated = [PathwayId(task) for task in tasks]
    assert shares().active_share(activated) == pytest.approx(weights / 1_000)


def test_two_different_sources_both_count() -> None:
    more = [made_up_entry("e@1", source="d@1", parameters=1_000, lent=200)]
    registry = shares().publish(more)
    share = registry.active_share([PathwayId("b"), PathwayId("e")])
    assert share == pytest.approx((150 + 60 + 1_000 + 200) / 2_000)


def test_after_the_paper_s_five_tasks_the_shares_are_near_its_own() -> None:
    letters = 784 * 128 + 128 + 26 * (128 + 1 + 128)
    lent = 784 * 128 + 128
    entries = [
        made_up_entry("fashion@1", parameters=101_770),
        made_up_entry("mnist@1", parameters=101_770),
        made_up_entry("lower@1", source="mnist@1", parameters=letters, lent=lent),
        made_up_entry("upper@1", source="lower@1", parameters=letters, lent=lent),
        made_up_entry("audio@1", parameters=1_205_034),
    ]
    registry = Registry().publish(entries)
    given = [registry.active_share([entry.id]) for entry in entries]
    assert given == pytest.approx([0.067, 0.067, 0.136, 0.138, 0.728], abs=0.02)


# --- the log ------------------------------------------------------------------------------------


def test_an_empty_store_holds_the_empty_registry(store: Store) -> None:
    assert RegistryLog(store).load() == Registry()


def test_what_was_committed_is_loaded_again(store: Store) -> None:
    registry = commit_each(
        store,
        made_up_entry("a@1", parameters=7),
        made_up_entry("b@1", source="a@1", lent=3),
        made_up_entry("a@2"),
    )
    loaded = RegistryLog(store).load()
    assert loaded == registry
    assert [str(entry.id) for entry in loaded.entries()] == ["a@2", "b@1"]


def test_real_specs_are_loaded_again(store: Store, stored: dict[str, StoredPathway]) -> None:
    made_up = made_up_entry("upper@1")
    entry = PathwayEntry(**{**vars(made_up), "spec": stored["upper"].spec})
    commit_each(store, entry)
    assert RegistryLog(store).load().entry("upper") == entry


def test_versions_grow_by_one_and_each_is_one_file(store: Store) -> None:
    registry = abc(store)
    assert registry.version == 3
    assert [f"registry/{name}" for name in store.list("registry")] == [
        change_path(version) for version in (1, 2, 3)
    ]


@pytest.mark.parametrize("version", [1, 2])
def test_a_missing_file_of_the_log_is_noticed_and_named(store: Store, version: int) -> None:
    abc(store)
    Path(store.path(change_path(version))).unlink()
    with pytest.raises(StoreDamagedError, match=rf"{change_path(version)} is missing; restore it"):
        RegistryLog(store).load()


@pytest.mark.parametrize(
    "text",
    [
        "",
        '{"publish": [',
        "[]",
        "null",
        "{}",
        '{"publish": null}',
        '{"publish": [null]}',
        '{"publish": [{}]}',
        '{"publish": [{"spec": {}}]}',
        '{"publish": [{"spec": null}]}',
    ],
)
def test_a_damaged_file_of_the_log_is_noticed_and_named(store: Store, text: str) -> None:
    abc(store)
    overwrite(store, change_path(2), text)
    with pytest.raises(StoreDamagedError, match=rf"{change_path(2)} is damaged .*; restore it"):
        RegistryLog(store).load()


@pytest.mark.parametrize("field", ["weights_path", "spec"])
def test_an_entry_that_lacks_a_field_is_damage(store: Store, field: str) -> None:
    abc(store)
    fields = json.loads(store.read(change_path(2)))
    del fields["publish"][0][field]
    overwrite(store, change_path(2), json.dumps(fields))
    with pytest.raises(StoreDamagedError, match=rf"{change_path(2)} is damaged"):
        RegistryLog(store).load()


def test_a_log_that_may_not_be_read_is_not_called_damaged() -> None:
    with open_directory() as place:
        store = Store.open(place / "store", create=True)
        commit_each(store, made_up_entry("a@1"))
        Path(store.path(change_path(1))).chmod(0)
        with powerless(), pytest.raises(StoreError, match="cannot read") as caught:
            RegistryLog(store).load()
    assert not isinstance(caught.value, StoreDamagedError)


def test_what_a_killed_writer_left_does_not_count(store: Store) -> None:
    registry = abc(store)
    overwrite(store, "registry/.000000000004.json.5f0c", '{"pub')
    assert RegistryLog(store).load() == registry


def test_of_two_writers_the_second_commit_of_a_version_is_refused(store: Store) -> None:
    before = abc(store)
    first, second = RegistryLog(store), RegistryLog(store)
    after = first.publish(before, [made_up_entry("d@1")])
    with pytest.raises(StoreError, match=r"exists already; is another network using this store\?"):
        second.publish(before, [made_up_entry("e@1")])
    assert RegistryLog(store).load() == after
