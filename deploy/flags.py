"""How Ray Serve is told to be fast: settings that it reads from the environment when imported.

HAProxy takes the requests in place of Serve's Python proxy and hands them straight to the
replicas; a replica runs its code in its event loop, logs in blocks, and leaves long-lived objects
out of garbage collection. Measured with an empty handler, that is 5 to 10 times the requests a
second. Whoever sets one of these otherwise keeps what they set.
"""

from __future__ import annotations

import os
import random
import socket
from collections.abc import Mapping
from pathlib import Path

PREFIX = "RAY_SERVE_"

FAST: Mapping[str, str] = {
    "RAY_SERVE_ENABLE_HA_PROXY": "1",
    "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
}
"""What every process of a served network needs; `ray_config.yaml` sets the same."""


_GRPC_PORTS = (40_000, 41_000)  # Serve's default
_BLOCK = 20


def head_flags(temp_dir: str) -> dict[str, str]:
    """The flags of a Ray head that is started here for a network of its own.

    HAProxy's files go below `temp_dir`, and its statistics, the proxy that it falls back to and the
    replicas' gRPC are on free ports, so that networks on one machine keep out of each other's way.
    """
    folder = Path(temp_dir) / "haproxy"
    own = {
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(folder / "haproxy.cfg"),
        "RAY_SERVE_HAPROXY_SOCKET_PATH": str(folder / "admin.sock"),
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(folder),
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(folder / "server-state"),
        "RAY_SERVE_HAPROXY_METRICS_PORT": str(free_port()),
        "RAY_SERVE_HAPROXY_STATS_PORT": str(free_port()),
        "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": str(free_port()),
        "RAY_SERVE_FALLBACK_PROXY_GRPC_PORT": str(free_port()),
        "RAY_SERVE_DIRECT_INGRESS_MIN_GRPC_PORT": str(_free_block()),
    }
    return {**FAST, **own, **set_here()}


def set_here() -> dict[str, str]:
    """Serve's settings in this process's environment."""
    return {name: value for name, value in os.environ.items() if name.startswith(PREFIX)}


def use_only(flags: Mapping[str, str]) -> None:
    """Set these of FAST in this process and no others; to be called before Serve is imported."""
    for name in FAST:
        os.environ.pop(name, None)
    os.environ.update(flags)


def free_port() -> int:
    """A port of this machine that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _free_block() -> int:
    """The first of some ports in a row that nobody listens on, of those that Serve has for gRPC.

    A replica takes the lowest port that its own network has not given out: gRPC lets two processes
    listen on one, and requests would reach either. At random, as replicas listen only later.
    """
    blocks = list(range(*_GRPC_PORTS, _BLOCK))
    random.shuffle(blocks)
    return next((b for b in blocks if all(map(_is_free, range(b, b + _BLOCK)))), blocks[0])


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True
