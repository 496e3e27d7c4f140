"""API keys as a user meets them: made by `sen keys`, asked for by a network open to others."""

from __future__ import annotations

import io
import json
import time
from pathlib import Path

import httpx
import numpy as np

from deploy.flags import free_port
from deploy.keys import remove_key
from tests.e2e.test_cli import refused, sen


def test_a_network_open_to_others_answers_to_its_keys_only(tmp_path: Path) -> None:
    port = free_port()
    settings = tmp_path / "sen.yaml"
    serve = f"{{host: 0.0.0.0, port: {port}, access_log: warning}}"
    settings.write_text(f"store: {tmp_path / 'store'}\nserve: {serve}\n")
    refused(sen(tmp_path, "up", "--config", settings), "0.0.0.0", "no API key", "sen keys add")
    assert not (tmp_path / "running.json").exists()
    key = sen(tmp_path, "keys", "add", "camera", "--scope", "predict").stdout.split()[-1]
    done = sen(tmp_path, "up", "--config", settings, "--cpus", 2)
    assert done.returncode == 0, done.stderr
    try:
        url = f"http://127.0.0.1:{port}"
        with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}) as http:
            check_keys(http, url)
            check_log(tmp_path)
            remove_key(tmp_path / "keys", "camera")
            end = time.monotonic() + 5
            while http.get("/v1/tasks").status_code == 200:
                assert time.monotonic() < end, "a removed key is refused within a second"
                time.sleep(0.1)
    finally:
        assert sen(tmp_path, "down").returncode == 0


def check_keys(http: httpx.Client, url: str) -> None:
    assert httpx.get(f"{url}/healthz").status_code == 200
    assert http.get("/v1/tasks").status_code == 200
    asked = httpx.get(f"{url}/v1/tasks", headers={"X-Request-ID": "who"})
    assert (asked.status_code, asked.headers["www-authenticate"]) == (401, 'Bearer realm="sen"')
    assert asked.headers["content-type"] == "application/problem+json"
    assert http.post("/v1/learn").status_code == 403
    body = io.BytesIO()
    np.save(body, np.zeros((1, 28, 28), np.uint8))
    content = {"content": body.getvalue(), "headers": {"content-type": "application/x-npy"}}
    assert http.post("/v1/predict", **content).status_code == 422  # nothing was learned
    assert http.get("/v1/tasks").headers["x-request-id"]


def check_log(home: Path) -> None:
    """The refusals are logged, where Ray keeps what its workers say."""
    logs = Path(json.loads((home / "running.json").read_text())["temp_dir"]) / "session_latest/logs"
    lines = [
        json.loads(line)
        for path in logs.glob("worker-*.err")
        for line in path.read_text(errors="replace").splitlines()
        if line.startswith('{"')
    ]
    told = {(line["request_id"], line["status"]) for line in lines}
    assert ("who", 401) in told
    assert {line["status"] for line in lines} == {401, 403, 422}
