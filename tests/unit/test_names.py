"""Names in the cluster and paths in the store: what is rendered is parsed."""

from __future__ import annotations

import pytest

from cluster.names import (
    RegistryFile,
    change_path,
    parse_registry_file,
    parse_request_id,
    parse_slot_actor_name,
    request_id,
    slot_actor_name,
    snapshot_path,
    spec_path,
    statistics_path,
    weights_path,
)
from cluster.places import Seat
from pathways import PathwayId

SHA = "0123456789abcdef" * 4


@pytest.mark.parametrize("number", [0, 3, 1_000])
def test_where_a_slot_is_reads_back(number: int) -> None:
    seat = Seat(node="4fbe3c16a5", number=number)
    assert slot_actor_name(seat) == f"sen:slot:4fbe3c16a5:{number}"
    assert parse_slot_actor_name(slot_actor_name(seat)) == seat


@pytest.mark.parametrize(
    "name",
    ["", "3", "sen:slot:", "sen:slot:3", "sen:slot:a:x", "sen:slot:a:-1", "my:sen:slot:a:3"],
)
def test_other_actors_are_no_slots(name: str) -> None:
    assert parse_slot_actor_name(name) is None


@pytest.mark.parametrize("task", ["upper", "a-b.c_d-2", "7"])
def test_a_request_id_reads_back(task: str) -> None:
    assert request_id(3, "upper") == "00000003-upper"
    assert parse_request_id(request_id(42, task)) == (42, task)


@pytest.mark.parametrize("text", ["", "upper", "3-upper", "00000003", "00000003-", "00000003-Up/x"])
def test_other_text_is_no_request_id(text: str) -> None:
    assert parse_request_id(text) is None


def test_request_ids_sort_by_arrival() -> None:
    ids = [request_id(n, task) for n, task in ((2, "z"), (10, "a"), (100, "b"))]
    assert sorted(ids) == ids


@pytest.mark.parametrize("version", [1, 256, 10**11])
def test_registry_files_read_back(version: int) -> None:
    change = change_path(version).removeprefix("registry/")
    snapshot = snapshot_path(version, SHA).removeprefix("registry/")
    assert parse_registry_file(change) == RegistryFile(name=change, version=version, snapshot=False)
    assert parse_registry_file(snapshot) == RegistryFile(
        name=snapshot, version=version, snapshot=True, sha256=SHA[:16]
    )


def test_a_snapshot_of_an_old_store_is_one() -> None:
    name = "000000000256.snapshot.json"
    found = parse_registry_file(name)
    assert found == RegistryFile(name=name, version=256, snapshot=True)


@pytest.mark.parametrize(
    "name",
    [
        "1.json",
        "000000000001.txt",
        ".000000000001.json.5f",
        "000000000001.snap.json",
        "000000000001.snapshot-ab.zst",
        "",
    ],
)
def test_other_files_are_no_registry_files(name: str) -> None:
    assert parse_registry_file(name) is None


def test_the_files_of_a_pathway_hold_its_hash() -> None:
    pathway = PathwayId("digits", 2)
    assert weights_path(pathway, SHA) == "pathways/digits/2-0123456789abcdef/weights.safetensors"
    assert spec_path(pathway, SHA) == "pathways/digits/2-0123456789abcdef/spec.json"
    assert statistics_path(pathway, SHA) == "router/digits/2-0123456789abcdef.safetensors"
