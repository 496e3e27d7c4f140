"""What Prometheus and Grafana need to watch a network, as files: no Ray, no processes.

FOLDER/
  prometheus.yml
  targets.json                            the nodes; Prometheus reads it again when it changes
  prometheus/                             what Prometheus has stored
  grafana.ini
  provisioning/datasources/sen.yaml       the Prometheus
  provisioning/dashboards/sen.yaml        where dashboards are
  dashboards/sen.json                     deploy/grafana/sen.json
  grafana/                                Grafana's own data
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

DASHBOARD = Path(__file__).with_name("grafana") / "sen.json"
DATA_SOURCE = "sen-prometheus"
_SCRAPE_EVERY_S = 10  # Ray's values are as old
_NOTICE_S = 5  # within which Prometheus sees that targets.json changed, where the system tells none


@dataclass(frozen=True, kw_only=True)
class Monitoring:
    """Where everything is and listens."""

    folder: Path
    prometheus_port: int = 9090
    grafana_port: int = 3000
    host: str = "127.0.0.1"

    @property
    def prometheus_url(self) -> str:
        return f"http://{self.host}:{self.prometheus_port}"

    @property
    def grafana_url(self) -> str:
        return f"http://{self.host}:{self.grafana_port}/d/{_dashboard()['uid']}"

    @property
    def targets(self) -> Path:
        return self.folder / "targets.json"

    def prometheus_command(self, program: str) -> list[str]:
        """What starts Prometheus on these files."""
        return [
            program,
            f"--config.file={self.folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={self.folder / 'prometheus'}",
            f"--web.listen-address={self.host}:{self.prometheus_port}",
        ]

    def grafana_command(self, program: str, home: Path) -> list[str]:
        """What starts Grafana on these files; home: where it is installed."""
        server = ["server"] if Path(program).name == "grafana" else []  # else `grafana-server`
        return [program, *server, f"--homepath={home}", f"--config={self.folder / 'grafana.ini'}"]


def write_files(monitoring: Monitoring) -> None:
    """Everything but the targets, in the place of what an earlier call wrote."""
    folder = monitoring.folder
    files = {
        "prometheus.yml": _yaml(_prometheus(monitoring)),
        "grafana.ini": _grafana_ini(monitoring),
        "provisioning/datasources/sen.yaml": _yaml(_data_source(monitoring)),
        "provisioning/dashboards/sen.yaml": _yaml(_dashboards(monitoring)),
        "dashboards/sen.json": json.dumps(_dashboard(), indent=1),
    }
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    for name in ("plugins", "alerting"):  # Grafana complains of those that are not there
        (folder / "provisioning" / name).mkdir(exist_ok=True)


def write_targets(path: Path, urls: Iterable[str]) -> bool:
    """The nodes' metrics as Prometheus discovers them; False if nothing has changed."""
    targets = sorted(urlsplit(url).netloc for url in urls)
    text = json.dumps([{"labels": {"job": "sen"}, "targets": targets}], indent=1)
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return False
    whole = path.with_suffix(".new")
    whole.write_text(text, encoding="utf-8")
    whole.replace(path)  # Prometheus may read it at any moment
    return True


def _prometheus(monitoring: Monitoring) -> dict[str, Any]:
    files = {"files": [str(monitoring.targets)], "refresh_interval": f"{_NOTICE_S}s"}
    return {
        "global": {"scrape_interval": f"{_SCRAPE_EVERY_S}s"},
        "scrape_configs": [{"job_name": "sen", "file_sd_configs": [files]}],
    }


def _grafana_ini(monitoring: Monitoring) -> str:
    folder, data = monitoring.folder, monitoring.folder / "grafana"
    return f"""[paths]
data = {data}
logs = {data / "log"}
plugins = {data / "plugins"}
provisioning = {folder / "provisioning"}

[server]
http_addr = {monitoring.host}
http_port = {monitoring.grafana_port}

; Whoever reaches this address may look, and nothing else.
[auth.anonymous]
enabled = true
org_role = Viewer

[analytics]
reporting_enabled = false
check_for_updates = false
"""


def _data_source(monitoring: Monitoring) -> dict[str, Any]:
    source = {
        "name": "SEN",
        "uid": DATA_SOURCE,
        "type": "prometheus",
        "access": "proxy",
        "url": monitoring.prometheus_url,
        "isDefault": True,
        "jsonData": {"timeInterval": f"{_SCRAPE_EVERY_S}s"},
    }
    return {"apiVersion": 1, "datasources": [source]}


def _dashboards(monitoring: Monitoring) -> dict[str, Any]:
    provider = {
        "name": "SEN",
        "type": "file",
        "options": {"path": str(monitoring.folder / "dashboards")},
    }
    return {"apiVersion": 1, "providers": [provider]}


def _dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    return found


def _yaml(values: dict[str, Any]) -> str:
    return yaml.safe_dump(values, sort_keys=False)
