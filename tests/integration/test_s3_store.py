"""The store on a real S3 server: written once, whole or not at all, and clear when it is gone."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cluster.copying import copy_store
from cluster.errors import StoreDamagedError, StoreError, StoreFormatError
from cluster.registry import Registry, RegistryChange
from cluster.registry_log import RegistryLog
from cluster.store import Store
from tests.integration.s3 import BUCKET, S3Server, s3_server

MIB = 1 << 20


@pytest.fixture
def server(tmp_path: Path) -> Iterator[S3Server]:
    with s3_server(tmp_path / "s3.log") as running:
        yield running


def keys(server: S3Server) -> set[str]:
    """Every key of the bucket, as another library sees it."""
    listed = server.client().list_objects_v2(Bucket=BUCKET)
    return {each["Key"] for each in listed.get("Contents", [])}


def test_a_store_is_made_opened_read_and_emptied(server: S3Server) -> None:
    with pytest.raises(StoreFormatError, match="is no store; make one"):
        Store.open(server.uri("net"))
    store = Store.open(server.uri("net"), create=True)
    body = os.urandom(20 * MIB)  # more than one part of a multipart upload
    store.write_all_new({"a/1/x": b"1", "a/2/x": b"2", "b": body})
    assert Store.open(server.uri("net")).read("b") == body
    assert store.list("a") == ["1", "2"]
    assert dict(store.walk()) == {"sen-store.json": 13, "a/1/x": 1, "a/2/x": 1, "b": len(body)}
    assert keys(server) == {f"net/{name}" for name, _ in store.walk()}
    store.delete_directory("a")
    store.delete(["b", "none"])
    assert store.list("") == ["sen-store.json"]
    with pytest.raises(StoreDamagedError, match="s3://sen-test/net/b is missing"):
        store.read("b")


def test_other_files_in_the_bucket_are_left_alone(server: S3Server) -> None:
    server.client().put_object(Bucket=BUCKET, Key="theirs/thesis.txt", Body=b"precious")
    with pytest.raises(StoreFormatError, match=r"holds other files \(thesis\.txt, …\)"):
        Store.open(server.uri("theirs"), create=True)
    Store.open(server.uri("theirs-too"), create=True).delete_directory("")
    assert keys(server) == {"theirs/thesis.txt"}


WRITER = """
import sys
from cluster.errors import StoreError
from cluster.store import Store
uri, name, body = sys.argv[1:]
store = Store.open(uri)
print("ready", flush=True)
for number in sys.stdin:
    try:
        store.write_new(f"{name}/{number.strip()}", body.encode() * 10_000)
        print("won", flush=True)
    except StoreError as error:
        assert "exists already" in str(error), error
        print("lost", flush=True)
"""


def test_of_processes_that_write_one_name_exactly_one_wins(server: S3Server) -> None:
    store = Store.open(server.uri("net"), create=True)
    command = [sys.executable, "-c", WRITER, store.uri, "race"]
    writers = [
        subprocess.Popen(
            [*command, body], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        for body in "abc"
    ]
    try:
        assert [said(w) for w in writers] == ["ready"] * 3
        for number in range(25):
            for writer in writers:
                assert writer.stdin is not None
                writer.stdin.write(f"{number}\n")
            outcomes = [said(writer) for writer in writers]
            assert sorted(outcomes) == ["lost", "lost", "won"], number
            winner = "abc"[outcomes.index("won")]
            assert store.read(f"race/{number}") == winner.encode() * 10_000
    finally:
        for writer in writers:
            writer.kill()
            writer.wait()


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_two_networks_on_one_store_cannot_both_commit(server: S3Server) -> None:
    Store.open(server.uri("net"), create=True)
    logs = [RegistryLog(Store.open(server.uri("net"))) for _ in range(8)]

    def commits(log: RegistryLog) -> bool:
        try:
            log.commit(Registry(), RegistryChange())
        except StoreError as error:
            assert "is another network using this store?" in str(error)
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(commits, logs)) == 1
    assert logs[0].load().version == 1


def test_a_store_is_backed_up_to_a_bucket_and_restored(server: S3Server, tmp_path: Path) -> None:
    store = Store.open(tmp_path / "net", create=True)
    RegistryLog(store).commit(Registry(), RegistryChange())
    assert copy_store(store, server.uri("backup")).network_version == 1
    copy_store(Store.open(server.uri("backup")), str(tmp_path / "again"))
    assert RegistryLog(Store.open(tmp_path / "again")).load() == RegistryLog(store).load()


class CutAfter:
    """Passes bytes on to a server, and kills the server once it passed so many of them."""

    def __init__(self, server: S3Server, most: int) -> None:
        self._server = server
        self._left = most
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            upstream = socket.create_connection(("127.0.0.1", self._server.port))
            threading.Thread(target=self._back, args=(upstream, client), daemon=True).start()
            threading.Thread(target=self._forth, args=(client, upstream), daemon=True).start()

    def _back(self, upstream: socket.socket, client: socket.socket) -> None:
        while body := _received(upstream):
            client.sendall(body)

    def _forth(self, client: socket.socket, upstream: socket.socket) -> None:
        while self._left > 0 and (body := _received(client)):
            upstream.sendall(body[: self._left])
            self._left -= len(body)
        if self._left <= 0:
            self._server.kill()
            self._listening.shutdown(socket.SHUT_RDWR)  # ends the accept in the other thread
            client.shutdown(socket.SHUT_RDWR)


def _received(connection: socket.socket) -> bytes:
    try:
        return connection.recv(65536)
    except OSError:
        return b""


def test_a_server_that_dies_in_the_middle_of_a_write_is_said(server: S3Server) -> None:
    Store.open(server.uri("net"), create=True)
    proxy = CutAfter(server, 5 * MIB)
    uri = server.uri("net").replace(f":{server.port}", f":{proxy.port}")
    store = Store.open(uri)
    start = time.monotonic()
    with pytest.raises(StoreError, match=r"cannot write s3://sen-test/net/big: "):
        store.write_new("big", os.urandom(20 * MIB))
    assert time.monotonic() - start < 60


def test_a_write_that_is_cut_off_leaves_nothing(server: S3Server) -> None:
    """The server lives on; the connection ends in the middle of the body."""
    store = Store.open(server.uri("net"), create=True)
    store.write_new("before", b"1")
    with socket.create_connection(("127.0.0.1", server.port)) as half:
        head = f"PUT /{BUCKET}/net/big HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {MIB}\r\n\r\n"
        half.sendall(head.encode() + b"x" * 1000)
    again = Store.open(server.uri("net"))
    assert again.read("before") == b"1"
    assert not again.exists("big")
    again.write_new("big", b"whole")
    assert store.read("big") == b"whole"


def test_a_writer_killed_in_the_middle_leaves_the_whole_or_nothing(server: S3Server) -> None:
    store = Store.open(server.uri("net"), create=True)
    code = (
        "import os, sys; from cluster.store import Store\n"
        "store = Store.open(sys.argv[1]); print('ready', flush=True)\n"
        "for n in range(1000): store.write_new(f'big/{n}', bytes([n % 256]) * (8 << 20))"
    )
    command = [sys.executable, "-c", code, store.uri]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert said(writer) == "ready"
        while len(store.list("big")) < 3:
            time.sleep(0.01)
        writer.kill()
    written = store.list("big")
    assert [store.read(f"big/{n}") == bytes([int(n)]) * 8 * MIB for n in written] == [True] * len(
        written
    )
    store.write_new(f"big/{len(written)}", b"next")  # nothing is in the way


def test_a_server_that_is_away_is_named_when_a_store_is_opened(server: S3Server) -> None:
    store = Store.open(server.uri("net"), create=True)
    server.kill()
    with pytest.raises(StoreError, match=r"cannot read s3://sen-test/net/x: ") as caught:
        store.read("x")
    assert not isinstance(caught.value, StoreDamagedError), "it is away, not damaged"
    with pytest.raises(StoreError, match=r"cannot look at s3://sen-test/net/sen-store\.json: "):
        Store.open(server.uri("net"), create=True)


def test_a_bucket_that_does_not_exist_is_named(server: S3Server) -> None:
    uri = server.uri("net").replace(BUCKET, "nobodys")
    with pytest.raises(StoreError, match=r"cannot look at s3://nobodys/net/.*NoSuchBucket"):
        Store.open(uri, create=True)


def test_a_write_waits_for_a_server_that_hangs_for_a_moment(server: S3Server) -> None:
    store = Store.open(server.uri("net"), create=True)
    server.pause()
    threading.Timer(1.0, server.resume).start()
    store.write_new("x", b"1")
    assert store.read("x") == b"1"


def test_an_open_store_goes_on_when_the_server_is_back(server: S3Server) -> None:
    """moto keeps objects in memory, so what was there is gone; a server with a disk has it."""
    store = Store.open(server.uri("net"), create=True)
    server.kill()
    server.start()
    store.write_new("x", b"1")
    assert store.read("x") == b"1"
