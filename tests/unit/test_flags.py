"""Networks on one machine keep out of each other's way."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from deploy.flags import FAST, head_flags

_MIN_GRPC = "RAY_SERVE_DIRECT_INGRESS_MIN_GRPC_PORT"


@pytest.fixture
def crowded() -> Iterator[int]:
    """Others listen on Serve's ports for gRPC, but on twenty from the one it gives."""
    free = 40_500
    with ExitStack() as until_the_end:
        for port in set(range(40_000, 41_000, 20)) - {free}:
            other = until_the_end.enter_context(socket.socket())
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            with suppress(OSError):  # somebody listens there indeed
                other.bind(("", port))
        yield free


def test_two_heads_have_no_file_and_no_port_in_common() -> None:
    one, other = head_flags("/tmp/sen-a"), head_flags("/tmp/sen-b")
    own = {name for name in one if name not in FAST and name != _MIN_GRPC}
    assert all(one[name] != other[name] for name in own)
    assert Path(one["RAY_SERVE_HAPROXY_SOCKET_PATH"]).is_relative_to("/tmp/sen-a")


def test_replicas_answer_grpc_on_ports_that_nobody_else_has(crowded: int) -> None:
    """gRPC would share a port with another network's replica, and get its requests."""
    assert head_flags("/tmp/sen-a")[_MIN_GRPC] == str(crowded)


def test_what_a_user_sets_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(_MIN_GRPC, "45000")
    monkeypatch.setenv("RAY_SERVE_THROUGHPUT_OPTIMIZED", "0")
    flags = head_flags("/tmp/sen-a")
    assert (flags[_MIN_GRPC], flags["RAY_SERVE_THROUGHPUT_OPTIMIZED"]) == ("45000", "0")
