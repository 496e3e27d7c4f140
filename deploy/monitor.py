"""`sen monitor`: Prometheus and Grafana on all nodes of the running network, until Ctrl-C."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
from rich.console import Console

from cluster.errors import SenError
from cluster.lifecycle import home, join, metrics_urls
from deploy.monitoring import Monitoring, write_files, write_targets

_LOOK_EVERY_S = 5.0
_START_TIMEOUT_S = 60.0
_STOP_GRACE_S = 10.0
_GRAFANA_HOMES = ("/usr/share/grafana", "/usr/local/share/grafana", "/opt/homebrew/share/grafana")

NO_PROMETHEUS = (
    "Prometheus is not installed here: `apt-get install --no-install-recommends prometheus`, or "
    "unpack it from prometheus.io/download and put `prometheus` on PATH"
)
NO_GRAFANA = (
    "Grafana is not installed here, so there are no pictures: see grafana.com/grafana/download and "
    "put `grafana` on PATH, or import deploy/grafana/sen.json into one you have"
)
out = Console()


@dataclass(frozen=True)
class Started:
    """A program that runs, and where it writes what it has to say."""

    program: str
    process: subprocess.Popen[bytes]
    log: Path

    def check(self) -> None:
        """Raises SenError if it has ended."""
        if self.process.poll() is not None:
            tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-5:])
            code = self.process.returncode
            raise SenError(f"{self.program} ended with exit code {code}; it wrote:\n{tail}")

    def wait_for(self, ready: str) -> None:
        """Until this address answers; raises SenError if it ends before, or takes too long."""
        until = time.monotonic() + _START_TIMEOUT_S
        while time.monotonic() < until:
            self.check()
            with suppress(httpx.HTTPError):  # it does not listen yet
                if httpx.get(ready, timeout=2.0).status_code == httpx.codes.OK:
                    return
            time.sleep(0.2)
        raise SenError(f"{ready} did not answer within {_START_TIMEOUT_S:g} s; see {self.log}")


def monitor(
    folder: Path | None,
    prometheus_port: int,
    grafana_port: int,
    grafana_home: Path | None,
    files_only: bool,
    address: str | None,
) -> None:
    """Write the files, start what is installed, and keep the list of nodes; raises SenError."""
    monitoring = Monitoring(
        folder=(folder or home() / "monitor").absolute(),
        prometheus_port=prometheus_port,
        grafana_port=grafana_port,
    )
    join(address)
    write_files(monitoring)
    write_targets(monitoring.targets, metrics_urls())
    out.print(f"files in {monitoring.folder}", soft_wrap=True)
    if files_only:
        return
    prometheus = shutil.which("prometheus")
    if prometheus is None:
        raise SenError(f"{NO_PROMETHEUS}; its settings are in {monitoring.folder}/prometheus.yml")
    with ExitStack() as running:
        command = monitoring.prometheus_command(prometheus)
        ready = f"{monitoring.prometheus_url}/-/ready"
        started = [running.enter_context(_running(command, ready, monitoring.folder))]
        out.print(f"Prometheus at {monitoring.prometheus_url}", soft_wrap=True)
        if (grafana := _grafana(grafana_home)) is None:
            out.print(NO_GRAFANA, soft_wrap=True)
        else:
            command = monitoring.grafana_command(*grafana)
            ready = f"http://{monitoring.host}:{monitoring.grafana_port}/api/health"
            started.append(running.enter_context(_running(command, ready, monitoring.folder)))
            out.print(f"Grafana at {monitoring.grafana_url}", soft_wrap=True)
        out.print("Ctrl-C ends it")
        _keep(monitoring, started)


def _grafana(given: Path | None) -> tuple[str, Path] | None:
    """The program and where it is installed; raises SenError if only one of them is found."""
    program = shutil.which("grafana") or shutil.which("grafana-server")
    if program is None:
        return None
    unpacked = Path(program).resolve().parent.parent  # as an archive has it, bin/grafana
    places = [given] if given else [*map(Path, _GRAFANA_HOMES), unpacked]
    for place in places:
        if (place / "conf" / "defaults.ini").exists():
            return program, place
    looked = ", ".join(map(str, places))
    raise SenError(f"{program} needs its own files, which are not in {looked}; give --grafana-home")


def _keep(monitoring: Monitoring, running: list[Started]) -> None:
    """Follow the nodes until Ctrl-C; raises SenError if a program ends before."""
    try:
        while True:
            for started in running:
                started.check()
            if write_targets(monitoring.targets, metrics_urls()):
                out.print("the nodes have changed; Prometheus was told")
            time.sleep(_LOOK_EVERY_S)
    except KeyboardInterrupt:
        return


@contextmanager
def _running(command: list[str], ready: str, folder: Path) -> Iterator[Started]:
    """A program that answers at `ready`; it ends with the block, also when this process is told to
    end."""
    before = signal.signal(signal.SIGTERM, _interrupt)
    log_file = folder / f"{Path(command[0]).name}.log"
    with log_file.open("wb") as log:
        # Of a session of its own: Ctrl-C is ours, and we end it in peace.
        process = subprocess.Popen(
            [*_ends_with_us(), *command], stdout=log, stderr=log, start_new_session=True
        )
    started = Started(command[0], process, log_file)
    try:
        started.wait_for(ready)
        yield started
    finally:
        process.terminate()
        try:
            process.wait(_STOP_GRACE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        signal.signal(signal.SIGTERM, before)


def _ends_with_us() -> list[str]:
    """Put before a command, has the kernel end it when this process is killed: Ray kills those who
    look at a cluster that has gone."""
    return [found, "--pdeathsig", "TERM", "--"] if (found := shutil.which("setpriv")) else []


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
