"""A served network on this machine: up and down."""

from __future__ import annotations

import os
from dataclasses import replace

import ray

from cluster.config import SenConfig
from cluster.errors import NotRunning, SenError
from cluster.lifecycle import (
    Running,
    check_no_network,
    forget_running,
    is_network_up,
    join,
    load_running,
    save_running,
    start_head,
    start_network,
    stop_head,
    stop_network,
)
from cluster.store import Store
from deploy import flags
from deploy.keys import KeySource


def start(config: SenConfig, *, address: str | None = None, cpus: int | None = None) -> Running:
    """Start Ray here, or join the cluster at `address`, and bring the store's network back.

    Raises SenError (StoreError for an unusable store, before anything is started).
    """
    if (running := load_running()) and _still_runs(running):
        raise SenError(
            f"a network runs already (store {running.store}, {running.url or running.address}); "
            "stop it with `sen down`"
        )
    # Absolute from here on: the network's processes have working directories of their own.
    config = replace(config, store=Store.open(config.store, create=True).uri)
    address = address or os.environ.get("RAY_ADDRESS")
    pid = temp_dir = None
    if address is None:
        address, pid, temp_dir = start_head(cpus, config.serve.metrics_port, flags.head_flags)
    running = Running(address=address, store=config.store, url="", head_pid=pid, temp_dir=temp_dir)
    save_running(running)
    try:
        join(address)
        check_no_network()
    except BaseException:
        _leave(running)  # a network that runs there is somebody's: it must not be stopped
        raise
    try:
        start_network(config)
    except BaseException:
        stop(running)
        raise
    return running


def _still_runs(running: Running) -> bool:
    """Whether a network that was started here is there: a cluster that it joined may have been lost
    since, and another one come in its place."""
    if running.head_pid is not None:
        return True  # else its state file would have been forgotten
    try:
        join(running.address)
        return is_network_up()
    except NotRunning:
        return False
    finally:
        ray.shutdown()


def serve(config: SenConfig, running: Running, keys: KeySource | None = None) -> Running:
    """Serve a started network over HTTP; `keys` where not those of serve.keys_file alone."""
    _take_flags_of_cluster()
    from deploy.serving import serve_network  # reads the flags when imported

    keys = keys or KeySource(file=config.serve.keys_file)
    try:
        url = serve_network(config, keys)
    except BaseException:
        stop(running)
        raise
    served = replace(running, url=url, keys_in_environment=bool(keys.text))
    save_running(served)
    return served


def serve_anew(config: SenConfig, keys: KeySource) -> None:
    """Replace what serves a network over HTTP by processes that run the code on the disk; there is
    always one that answers. Raises SenError."""
    _take_flags_of_cluster()
    from deploy import serving  # reads the flags when imported

    serving.serve_anew(config, keys)


def _take_flags_of_cluster() -> None:
    """Have Serve's settings as the cluster's processes have them."""
    flags.use_only(ray.get(_flags_of_cluster.remote()))


@ray.remote(num_cpus=0)
def _flags_of_cluster() -> dict[str, str]:
    """Serve's settings where this runs."""
    return {name: value for name, value in flags.set_here().items() if name in flags.FAST}


def down() -> Running:
    """Stop what `start` started here; the store keeps the network. Raises NotRunning."""
    running = load_running()
    if running is None:
        raise NotRunning("no network runs on this machine; there is nothing to stop")
    stop(running)
    return running


def stop(running: Running) -> None:
    """End a network's processes: all of Ray if it was started for it, else its actors only."""
    if running.head_pid is None:
        if not ray.is_initialized():
            join(running.address)
        from deploy.serving import stop_serving

        stop_serving()
        stop_network()
    _leave(running)


def _leave(running: Running) -> None:
    """Disconnect from Ray, and end it if it was started for the network."""
    ray.shutdown()
    if running.head_pid is not None:
        stop_head(running.head_pid, running.temp_dir)
    forget_running()
