"""Watching a network: what Prometheus and Grafana are given, and what starts them."""

from __future__ import annotations

import configparser
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import yaml

from cluster.errors import SenError
from deploy.monitor import _grafana, _running
from deploy.monitoring import DASHBOARD, DATA_SOURCE, Monitoring, write_files, write_targets


@pytest.fixture
def monitoring(tmp_path: Path) -> Monitoring:
    made = Monitoring(folder=tmp_path / "it", prometheus_port=9471, grafana_port=3471)
    write_files(made)
    write_targets(made.targets, ["http://10.0.0.2:8090/metrics", "http://10.0.0.1:8090/metrics"])
    return made


def program(folder: Path, name: str, code: str) -> str:
    """An executable of that name that runs some Python."""
    path = folder / name
    path.write_text(f"#!{sys.executable}\n{code}\n")
    path.chmod(0o755)
    return str(path)


def test_prometheus_reads_the_nodes_from_a_file(monitoring: Monitoring) -> None:
    settings = yaml.safe_load((monitoring.folder / "prometheus.yml").read_text())
    (job,) = settings["scrape_configs"]
    (found,) = job["file_sd_configs"]
    (targets,) = json.loads(Path(found["files"][0]).read_text())
    assert targets["targets"] == ["10.0.0.1:8090", "10.0.0.2:8090"]


@pytest.mark.skipif(not shutil.which("promtool"), reason="Prometheus is not installed")
def test_prometheus_s_own_tool_finds_nothing_wrong(monitoring: Monitoring) -> None:
    file = monitoring.folder / "prometheus.yml"
    done = subprocess.run(["promtool", "check", "config", file], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_targets_are_written_when_nodes_join_or_leave_and_only_then(
    monitoring: Monitoring,
) -> None:
    both = ["http://10.0.0.1:8090/metrics", "http://10.0.0.2:8090/metrics"]
    assert not write_targets(monitoring.targets, both)
    assert write_targets(monitoring.targets, both[:1])
    (told,) = json.loads(monitoring.targets.read_text())
    assert told == {"labels": {"job": "sen"}, "targets": ["10.0.0.1:8090"]}
    assert write_targets(monitoring.targets, [])


def test_grafana_finds_the_dashboard_and_the_prometheus_it_reads(monitoring: Monitoring) -> None:
    ini = configparser.ConfigParser()
    ini.read(monitoring.folder / "grafana.ini")
    assert ini["server"]["http_port"] == "3471" and ini["server"]["http_addr"] == "127.0.0.1"
    provisioning = Path(ini["paths"]["provisioning"])
    (source,) = yaml.safe_load((provisioning / "datasources/sen.yaml").read_text())["datasources"]
    assert (source["type"], source["url"]) == ("prometheus", "http://127.0.0.1:9471")
    assert source["uid"] == DATA_SOURCE and source["isDefault"]
    (provider,) = yaml.safe_load((provisioning / "dashboards/sen.yaml").read_text())["providers"]
    shown = Path(provider["options"]["path"]) / "sen.json"
    dashboard = json.loads(shown.read_text())
    assert dashboard == json.loads(DASHBOARD.read_text())
    # Its panels read the variable, of which the default data source is the first choice.
    (variable,) = dashboard["templating"]["list"]
    assert (variable["type"], variable["query"]) == ("datasource", "prometheus")
    assert monitoring.grafana_url == f"http://127.0.0.1:3471/d/{dashboard['uid']}"


def test_both_of_grafana_s_programs_can_be_started(monitoring: Monitoring, tmp_path: Path) -> None:
    for name, server in (("grafana", ["server"]), ("grafana-server", [])):
        command = monitoring.grafana_command(f"/usr/bin/{name}", tmp_path)
        config = f"--config={monitoring.folder}/grafana.ini"
        assert command == [f"/usr/bin/{name}", *server, f"--homepath={tmp_path}", config]


def test_grafana_without_its_files_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert _grafana(None) is None
    (tmp_path / "bin").mkdir()
    found = program(tmp_path / "bin", "grafana", "")
    with pytest.raises(SenError, match=r"grafana needs its own files.* give --grafana-home"):
        _grafana(tmp_path / "nowhere")
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "defaults.ini").touch()
    assert _grafana(None) == (found, tmp_path)
    assert _grafana(tmp_path) == (found, tmp_path)


def test_a_program_that_ends_at_once_says_why(tmp_path: Path) -> None:
    command = [program(tmp_path, "prometheus", "import sys; sys.exit('port 9090 is taken')")]
    with (
        pytest.raises(SenError, match="prometheus ended with exit code 1; it wrote:\nport 9090 is"),
        _running(command, "http://127.0.0.1:1/", tmp_path),
    ):
        pytest.fail("it does not run")


@pytest.mark.skipif(not shutil.which("setpriv"), reason="setpriv (util-linux) is not installed")
def test_a_program_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    forever = program(tmp_path, "forever", "import time; print('on', flush=True); time.sleep(60)")
    code = (
        "import subprocess, sys; from deploy.monitor import _ends_with_us\n"
        f"child = subprocess.Popen([*_ends_with_us(), {forever!r}], stdout=subprocess.PIPE)\n"
        "child.stdout.readline(); print(child.pid, flush=True); import time; time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert _runs(child)
        parent.kill()
    until = time.monotonic() + 10
    while _runs(child):
        assert time.monotonic() < until
        time.sleep(0.05)


def _runs(process: int) -> bool:
    try:
        return psutil.Process(process).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
