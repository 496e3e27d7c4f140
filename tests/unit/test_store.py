"""The store: files appear whole or not at all, and every trouble names its path and cause."""

from __future__ import annotations

import errno
import json
import os
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import obstore
import pytest
from obstore.store import MemoryStore

from cluster import Store
from cluster.errors import StoreDamagedError, StoreError, StoreFormatError
from cluster.object_files import ObjectFiles
from tests.unit.fakes import open_directory, powerless

MARK = "sen-store.json"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "store", create=True)


def files(store: Store) -> set[str]:
    root = Path(store.path(""))
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}


def test_what_is_written_reads_back(store: Store) -> None:
    body = os.urandom(100_000)
    store.write_new("a/b/c.bin", body)
    assert store.read("a/b/c.bin") == body
    assert store.exists("a/b/c.bin")
    assert store.list("a") == ["b"]
    assert files(store) == {MARK, "a/b/c.bin"}


def test_a_store_opens_again(store: Store) -> None:
    store.write_new("x", b"1")
    assert Store.open(store.uri).read("x") == b"1"
    assert Store.open(store.uri, create=True).read("x") == b"1"


def test_a_uri_of_a_directory_is_that_directory(store: Store) -> None:
    store.write_new("x", b"1")
    again = Store.open(f"file://{store.path('')}")
    again.write_new("y", b"2")
    assert store.read("y") == b"2"
    assert again.path_for_others("x") == f"file://{store.path('x')}"
    assert store.path_for_others("x") == store.path("x")


def test_several_files_are_written_together(store: Store) -> None:
    store.write_all_new({f"{n % 3}/x{n}": b"%d" % n for n in range(20)})
    assert [store.read(f"{n % 3}/x{n}") for n in range(20)] == [b"%d" % n for n in range(20)]
    assert len(files(store)) == 21  # and the mark
    with pytest.raises(StoreError, match="/2/x5 exists already"):
        store.write_all_new({"new": b"1", "2/x5": b"other"})
    assert store.read("2/x5") == b"5"
    store.write_all_content({"new": b"1", "newer": b"2"})
    assert store.read("newer") == b"2"


def test_several_files_are_all_synced_before_any_appears(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    sync, link = os.fsync, os.link

    def synced(handle: int) -> None:
        steps.append("sync")
        sync(handle)

    def linked(*paths: Path) -> None:
        steps.append("link")
        link(*paths)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "link", linked)
    store.write_all_new({"a/1": b"1", "a/2": b"2", "b/3": b"3"})
    assert steps == ["sync"] * 3 + ["link"] * 3 + ["sync"] * 2  # the directories at the end


def test_a_file_is_never_overwritten(store: Store) -> None:
    store.write_new("a/x", b"first")
    with pytest.raises(StoreError, match=r"/a/x exists already; is another network using this"):
        store.write_new("a/x", b"second")
    assert store.read("a/x") == b"first"
    assert files(store) == {MARK, "a/x"}


def test_content_written_twice_is_as_good_as_once(store: Store) -> None:
    store.write_content("x-1234", b"body")
    store.write_content("x-1234", b"body")
    assert store.read("x-1234") == b"body"
    assert files(store) == {MARK, "x-1234"}


@pytest.mark.parametrize("step", ["fsync", "link"])
def test_a_write_that_fails_leaves_no_file(
    store: Store, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, step, full)
        with pytest.raises(StoreError, match=r"cannot write .*/a/x: .*No space left.*or full\?"):
            store.write_new("a/x", b"body")
    assert not store.exists("a/x")
    assert files(store) == {MARK}
    store.write_new("a/x", b"body")


def test_a_name_appears_only_after_its_content_is_on_disk(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, bool]] = []
    sync, link = os.fsync, os.link

    def watched_sync(handle: int) -> None:
        seen.append(("sync", store.exists("x")))
        sync(handle)

    def watched_link(aside: Path, path: Path) -> None:
        assert aside.read_bytes() == b"body"
        link(aside, path)
        seen.append(("link", store.exists("x")))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", watched_sync)
        patched.setattr(os, "link", watched_link)
        store.write_new("x", b"body")
    assert seen == [("sync", False), ("link", True), ("sync", True)]


def test_what_a_killed_writer_left_is_no_file_of_the_store(store: Store) -> None:
    store.write_new("a/x", b"body")
    Path(store.path("a/.y.0123456789abcdef")).write_bytes(b"bo")
    assert store.list("a") == ["x"]


def test_a_creator_killed_before_the_mark_does_not_spoil_the_place(tmp_path: Path) -> None:
    (tmp_path / f".{MARK}.0123456789abcdef").write_bytes(b"{")
    Store.open(tmp_path, create=True).write_new("x", b"1")


def test_a_missing_directory_lists_nothing(store: Store) -> None:
    assert store.list("none") == []
    assert not store.exists("none")


def test_names_are_listed_in_order(store: Store) -> None:
    for name in ("b", "a", "c"):
        store.write_new(f"d/{name}", b"")
    assert store.list("d") == ["a", "b", "c"]


def test_a_missing_file_is_damage_and_named(store: Store) -> None:
    with pytest.raises(StoreDamagedError, match=r"/a/none is missing; restore it from a backup"):
        store.read("a/none")


def test_a_directory_is_removed_with_what_is_in_it(store: Store) -> None:
    store.write_new("d/e/x", b"1")
    store.delete_directory("d")
    store.delete_directory("d")
    assert files(store) == {MARK}


def test_an_empty_place_is_no_store_until_one_is_made(tmp_path: Path) -> None:
    with pytest.raises(StoreFormatError, match=r"is no store; make one with `sen up --store .*`"):
        Store.open(tmp_path)
    with pytest.raises(StoreFormatError, match="is no store"):
        Store.open(tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_a_place_with_other_files_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(StoreFormatError, match=r"holds other files \(thesis\.txt, …\); name an"):
        Store.open(tmp_path, create=True)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_file_is_no_place_for_a_store(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("precious")
    for create in (False, True):
        with pytest.raises(StoreError, match="file"):
            Store.open(path, create=create)
    assert path.read_text() == "precious"


@pytest.mark.parametrize(
    ("found", "todo"),
    [(7, "install the newer version that wrote it"), (0, "restore it"), ("x", "restore it")],
)
def test_a_store_of_another_format_is_refused(store: Store, found: object, todo: str) -> None:
    Path(store.path(MARK)).write_text(json.dumps({"format": found}))
    why = f"has format {found!r}, this version of sen reads format 1; {todo}"
    for create in (False, True):
        with pytest.raises(StoreFormatError, match=why):
            Store.open(store.uri, create=create)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "null"])
def test_a_damaged_mark_is_refused(store: Store, text: str) -> None:
    Path(store.path(MARK)).write_text(text)
    with pytest.raises(StoreFormatError, match=rf"{MARK} cannot be read"):
        Store.open(store.uri)


def test_an_unknown_kind_of_uri_is_refused() -> None:
    with pytest.raises(StoreError, match=r"cannot reach a store at gopher://x/y"):
        Store.open("gopher://x/y")


def test_a_read_only_store_can_be_read_but_not_written() -> None:
    with open_directory() as place:
        store = Store.open(place / "store", create=True)
        store.write_new("a/x", b"1")
        for directory in ("a", ""):
            Path(store.path(directory)).chmod(0o555)
        with powerless():
            again = Store.open(store.uri)
            assert again.read("a/x") == b"1"
            for name in ("y", "a/y", "b/y"):
                with pytest.raises(StoreError, match=rf"cannot write .*/{name}: .*denied.*read-on"):
                    again.write_new(name, b"2")
            with pytest.raises(StoreError, match=r"cannot remove .*/a: "):
                again.delete_directory("a")


def test_a_place_that_may_not_be_written_cannot_become_a_store() -> None:
    with open_directory() as place:
        place.chmod(0o555)
        with powerless(), pytest.raises(StoreError, match=r"cannot write .*/new.*denied"):
            Store.open(place / "new", create=True)


def test_a_file_that_may_not_be_read_is_named_but_not_called_damaged() -> None:
    with open_directory() as place:
        store = Store.open(place / "store", create=True)
        store.write_new("x", b"1")
        Path(store.path("x")).chmod(0)
        with powerless(), pytest.raises(StoreError, match=r"cannot read .*/x: ") as caught:
            store.read("x")
    assert not isinstance(caught.value, StoreDamagedError)


@pytest.fixture
def objects() -> Store:
    """A store in obstore's own object store, which is in this process's memory."""
    return Store(ObjectFiles(MemoryStore(), "memory://"), "memory://")


def test_objects_are_written_once_read_listed_and_removed(objects: Store) -> None:
    objects.write_all_new({f"a/{n}/x": b"%d" % n for n in range(20)})
    with pytest.raises(StoreError, match="a/3/x exists already"):
        objects.write_new("a/3/x", b"other")
    objects.write_content("a/3/x", b"3")
    assert [objects.read(f"a/{n}/x") for n in range(20)] == [b"%d" % n for n in range(20)]
    assert objects.list("a") == sorted(map(str, range(20)))
    assert dict(objects.walk()) == {f"a/{n}/x": len(str(n)) for n in range(20)}
    assert objects.exists("a/3") and objects.exists("a/3/x") and not objects.exists("a/3/y")
    objects.delete(["a/3/x", "a/3/x"])
    objects.delete_directory("a/4")
    objects.delete_directory("none")
    assert len(objects.list("a")) == 18
    with pytest.raises(StoreDamagedError, match="a/3/x is missing"):
        objects.read("a/3/x")


@pytest.mark.parametrize("kind", ["store", "objects"])
def test_of_many_writers_of_a_name_exactly_one_does(
    kind: str, request: pytest.FixtureRequest
) -> None:
    store: Store = request.getfixturevalue(kind)

    def won(body: bytes) -> bool:
        try:
            store.write_new("x", body)
        except StoreError:
            return False
        return True

    bodies = [b"%d" % n for n in range(16)]
    with ThreadPoolExecutor(16) as threads:
        winners = [b for b, mine in zip(bodies, threads.map(won, bodies), strict=True) if mine]
    assert [store.read("x")] == winners


def test_a_write_that_was_sent_twice_is_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(ObjectFiles(MemoryStore(), "memory://"), "memory://")
    put = obstore.put

    def twice(*args: Any, **kwargs: Any) -> Any:
        put(*args, **kwargs)
        return put(*args, **kwargs)

    with monkeypatch.context() as patched:
        patched.setattr(obstore, "put", twice)
        store.write_new("x", b"1")
        with pytest.raises(StoreError, match="x exists already"):
            store.write_new("x", b"1")


@pytest.mark.parametrize(
    ("uri", "why"),
    [
        ("s3://", "it names no bucket; write s3://BUCKET/PREFIX"),
        ("s3://key:secret@bucket/x", "keys do not belong in a URI"),
        ("s3://bucket/x?endpoint=y", "unknown endpoint; known: endpoint_override, region, scheme"),
        ("hdfs://host/x", "name a directory, or s3://BUCKET/PREFIX, gs://BUCKET/PREFIX"),
    ],
)
def test_a_uri_that_names_no_store_says_why(uri: str, why: str) -> None:
    with pytest.raises(StoreError, match=re.escape(why)):
        Store.open(uri)


def test_a_path_for_others_keeps_what_the_uri_says_of_the_server() -> None:
    uri = "s3://bucket/net?endpoint_override=127.0.0.1:9000&scheme=http"
    store = Store(ObjectFiles(MemoryStore(), "s3://bucket/net"), uri)
    said = "s3://bucket/net/jobs?endpoint_override=127.0.0.1:9000&scheme=http"
    assert store.path_for_others("jobs") == said
    assert store.path("jobs") == "s3://bucket/net/jobs"
