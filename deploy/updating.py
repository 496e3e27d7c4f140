"""`sen update`: a running network changes over to the code that is installed now."""

from __future__ import annotations

import os
from typing import Any

from rich.console import Console
from rich.progress import Progress

from cluster.client import Client, find_controller
from cluster.config import SenConfig
from cluster.errors import NotRunning, SenError
from cluster.lifecycle import Running, join, load_running
from cluster.rolling import check_code, replacing_slots, restart_controller, restart_dispatcher
from deploy.keys import ENVIRONMENT, KeySource
from deploy.report import progress_bars

_MODULES = ("cluster.controller", "cluster.slot", "cluster.training_job", "deploy.serving")
out = Console()


def update() -> None:
    """Have all processes of the network run the code on the disk, one after the other."""
    running = load_running()
    if running is None:
        raise NotRunning(
            "no network was started on this machine; call `sen update` where `sen up` was called"
        )
    join(running.address)
    controller = find_controller()
    config = Client(controller).config()
    keys = _keys(running, config.serve.keys_file)
    try:
        with progress_bars(out) as bars:
            code = _change_over(bars, controller, config, keys if running.url else None)
    except KeyboardInterrupt:
        out.print(
            "stopped: the network goes on answering, in part perhaps with the code before; "
            "`sen update` again takes it the rest of the way"
        )
        raise
    out.print(f"the network runs code {code}")


def _change_over(bars: Progress, controller: Any, config: SenConfig, keys: KeySource | None) -> str:
    """Replace one kind of process after the other; returns the code's fingerprint. keys: None if
    the network does not serve HTTP."""
    bar = bars.add_task("check the code", total=4, remark="on every node")
    code = check_code(_MODULES, config.store)
    bars.update(bar, advance=1, description="restart controller", remark=code)
    restart_controller(controller, code)
    bars.update(bar, advance=1, description="replace slots")
    for rollout in replacing_slots(controller):
        bars.update(bar, remark=f"{rollout.outdated} of {rollout.slots} left")
    bars.update(bar, advance=1, description="replace replicas", remark="")
    if keys is not None:
        from deploy import network as networks  # Serve takes long to import

        networks.serve_anew(config, keys)
    restart_dispatcher()
    bars.update(bar, advance=1, description="updated", remark=code)
    return code


def _keys(running: Running, file: str) -> KeySource:
    """The API keys as `sen up` had them."""
    text = os.environ.get(ENVIRONMENT, "")
    if running.keys_in_environment and not text:
        raise SenError(
            f"the network was started with API keys in {ENVIRONMENT}; set it for `sen update` too"
        )
    return KeySource(file=file, text=text)
