"""The serving benchmark as a command, with the fewest tasks and the shortest load."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(not shutil.which("wrk"), reason="needs wrk; `make test-deps` installs it")
def test_ours_and_fastapi_are_measured_side_by_side(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.serving", "--quick", "--tasks", "5"]
    command += ["--seconds", "1", "--systems", "dispatching,plain", "--out", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))["rows"]
    assert {row["system"] for row in rows} == {"dispatching", "plain"}
    for row in rows:
        assert row["rps"] > 0 and row["failed"] == 0
        assert 0 < row["p50_ms"] <= row["p99_ms"]
    left = [p.info["cmdline"] for p in psutil.process_iter(["cmdline"])]
    assert not [line for line in left if line and str(tmp_path) in " ".join(line)]
