"""Starting, joining and stopping: Ray on this machine, and the network on Ray.

What `sen up` started is written down in a state file, so that later commands find it and
`sen down` ends exactly those processes.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil
import ray
from ray.exceptions import RayActorError

from cluster.config import SenConfig
from cluster.errors import NotRunning, SenError
from cluster.names import CONTROLLER, NAMESPACE
from cluster.ray_nodes import alive

_START_TIMEOUT_S = 90.0
_STOP_GRACE_S = 3.0  # nothing is lost by ending them: all that counts is in the store


@dataclass(frozen=True, kw_only=True)
class Running:
    """A network that was started on this machine."""

    address: str
    """Of the Ray cluster, host:port."""
    store: str
    url: str
    """Where HTTP is served."""
    head_pid: int | None
    """Process of the Ray head if `sen up` started it; None if it joined a cluster."""
    temp_dir: str | None
    """Ray's files of that head."""
    keys_in_environment: bool = False
    """API keys were given in an environment variable, besides a file or in its place."""


def home() -> Path:
    """Where state of this user's networks is kept: $SEN_HOME or ~/.sen."""
    return Path(os.environ.get("SEN_HOME") or "~/.sen").expanduser()


def load_running() -> Running | None:
    """The network started on this machine, or None; forgets one whose head has ended."""
    path = home() / "running.json"
    if not path.exists():
        return None
    running = Running(**json.loads(path.read_text(encoding="utf-8")))
    if running.head_pid is None or _is_head(running.head_pid, str(running.temp_dir)):
        return running
    _end_orphans(str(running.temp_dir))
    shutil.rmtree(str(running.temp_dir), ignore_errors=True)
    forget_running()
    return None


def save_running(running: Running) -> None:
    """Write down what was started."""
    home().mkdir(parents=True, exist_ok=True)
    (home() / "running.json").write_text(json.dumps(asdict(running)), encoding="utf-8")


def use_token_auth() -> None:
    """Turn Ray's token authentication on, with a token made for this user unless one is set."""
    if os.environ.setdefault("RAY_AUTH_MODE", "token") != "token":
        return
    # Ray reads the mode once, when it is imported; this is how it makes itself read it again.
    ray._raylet.Config.initialize("")
    if any(os.environ.get(name) for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")):
        return
    if Path("~/.ray/auth_token").expanduser().exists():
        return
    path = home() / "ray_token"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "x", opener=lambda p, flags: os.open(p, flags, 0o600)) as file:
            file.write(secrets.token_hex(32))
    os.environ["RAY_AUTH_TOKEN_PATH"] = str(path)


def join(address: str | None = None) -> str:
    """Connect this process to Ray: to `address`, else to what `sen up` started here.

    Returns the address; raises NotRunning.
    """
    use_token_auth()
    running = load_running()
    target = address or os.environ.get("RAY_ADDRESS") or (running.address if running else None)
    if target is None:
        raise NotRunning("no network runs on this machine; start one with `sen up`")
    try:
        ray.init(
            address=target,
            namespace=NAMESPACE,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    except (ConnectionError, RuntimeError) as error:
        raise NotRunning(f"no Ray cluster answers at {target}: {error}") from error
    return target


def start_head(
    cpus: int | None = None,
    metrics_port: int = 0,
    flags: Callable[[str], Mapping[str, str]] = lambda temp_dir: {},
) -> tuple[str, int, str]:
    """Start a Ray head on this machine; returns (address, process id, temporary directory).

    metrics_port: of Prometheus metrics; 0 for a free one.
    flags: given the temporary directory, what to set in the environment of all of its processes.
    The head lives until `stop_head`, not only as long as this process. Raises SenError.
    """
    use_token_auth()
    # Ray puts sockets there, whose paths must stay short.
    temp_dir = tempfile.mkdtemp(prefix="sen-")
    command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block"]
    command += ["--port=0", f"--temp-dir={temp_dir}", "--include-dashboard=false"]
    command += ["--disable-usage-stats", "--node-ip-address=127.0.0.1"]
    command += [f"--num-cpus={cpus}"] if cpus else []
    command += [f"--metrics-export-port={metrics_port}"] if metrics_port else []
    log = Path(temp_dir) / "head.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            command,
            env={**_head_environment(), **flags(temp_dir)},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    try:
        return _wait_for_head(process, Path(temp_dir), log), process.pid, temp_dir
    except BaseException:
        stop_head(process.pid, temp_dir)
        raise


def _head_environment() -> dict[str, str]:
    """A network has more processes than CPUs by design: slots mostly wait. Ray would warn of it."""
    most = str(max(8, os.cpu_count() or 1))
    return {"RAY_worker_maximum_startup_concurrency": most, **os.environ}


def _wait_for_head(process: subprocess.Popen[bytes], temp_dir: Path, log: Path) -> str:
    written = temp_dir / "ray_current_cluster"  # the last thing Ray does before it is ready
    until = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < until:
        if process.poll() is not None:
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-5:])
            raise SenError(f"Ray could not be started:\n{tail}")
        if written.exists() and (address := written.read_text(encoding="utf-8").strip()):
            return address
        time.sleep(0.1)
    raise SenError(f"Ray did not start within {_START_TIMEOUT_S:.0f} s; see {log}")


def stop_head(pid: int, temp_dir: str | None) -> None:
    """End a Ray head and every process below it, by their ids."""
    try:
        head = psutil.Process(pid)
        family = [*head.children(recursive=True), head]
        head.terminate()
    except psutil.NoSuchProcess:
        family = []
    _, left = psutil.wait_procs(family, timeout=_STOP_GRACE_S)
    for process in left:
        with suppress(psutil.NoSuchProcess):  # it may end by itself at this moment
            process.kill()
    psutil.wait_procs(left, timeout=_STOP_GRACE_S)
    if temp_dir:
        _end_orphans(temp_dir)
        shutil.rmtree(temp_dir, ignore_errors=True)


def _end_orphans(temp_dir: str) -> None:
    """End what a head left behind: HAProxy, which is no child of it and would keep the port."""
    for process in psutil.process_iter(["name", "cmdline"]):
        of_head = any(word.startswith(f"{temp_dir}/") for word in process.info["cmdline"] or ())
        if of_head and process.info["name"].startswith("haproxy"):
            with suppress(psutil.NoSuchProcess):
                process.kill()


def metrics_urls() -> list[str]:
    """Where Prometheus finds the metrics of each node of the joined cluster."""
    return [f"http://{n['NodeManagerAddress']}:{n['MetricsExportPort']}/metrics" for n in alive()]


def is_network_up() -> bool:
    """Whether a network runs in the joined cluster."""
    try:
        ray.get_actor(CONTROLLER, namespace=NAMESPACE)
    except ValueError:
        return False
    return True


def check_no_network() -> None:
    """Raises SenError if a network runs in the joined cluster already."""
    if is_network_up():
        raise SenError("a network runs in this Ray cluster already; stop it where it was started")


def start_network(config: SenConfig) -> Any:
    """Start the network's controller in the joined cluster, from what its store holds.

    Raises SenError if it cannot be started.
    """
    from cluster.controller import start_controller  # brings Ray Train, which commands do without

    controller = start_controller(config)
    try:
        ray.get(controller.config.remote())  # answers once it has started
    except RayActorError as error:
        raise SenError(f"the network could not be started: {error}") from error
    return controller


def ensure_network(config: SenConfig) -> None:
    """Start the network's controller in the joined cluster, unless it runs there already.

    Raises SenError if it cannot be started, or runs with other settings.
    """
    try:
        controller = ray.get_actor(CONTROLLER, namespace=NAMESPACE)
    except ValueError:
        start_network(config)
        return
    running: SenConfig = ray.get(controller.config.remote())
    if running != config:
        raise SenError(
            f"a network with other settings (store {running.store}) runs in this Ray cluster "
            "already; give it a cluster of its own"
        )


def stop_network() -> None:
    """Stop every actor of the network in the joined cluster; the store keeps everything."""
    for actor in ray.util.list_named_actors(all_namespaces=True):
        if actor["namespace"] == NAMESPACE and actor["name"].startswith("sen:"):
            ray.kill(ray.get_actor(actor["name"], namespace=NAMESPACE), no_restart=True)


def forget_running() -> None:
    """Remove the state file."""
    (home() / "running.json").unlink(missing_ok=True)


def _is_head(pid: int, temp_dir: str) -> bool:
    """Whether the process still is the head that was started, not a later one with its id."""
    try:
        return any(temp_dir in word for word in psutil.Process(pid).cmdline())
    except psutil.NoSuchProcess:
        return False
