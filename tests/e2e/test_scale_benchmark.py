"""The scale benchmark as a command, with the fewest tasks and the shortest load."""

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
def test_simulated_tasks_go_the_whole_way(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.scale", "--tasks", "12"]
    command += ["--seconds", "1", "--out", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (step,) = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))["steps"]
    assert (step["tasks"], step["growth"]["failed"]) == (12, 0)
    assert step["asked"]["right"] > 0.9 and step["inside"]["routing"]["among_two"] > 0.95
    assert step["inside"]["sources"]["true"] > 0.5
    for row in step["resident"] + step["crowded"]:
        assert row["rps"] > 0 and row["failed"] == 0
    assert (
        "measured before"
        in subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout
    )
    left = [p.info["cmdline"] for p in psutil.process_iter(["cmdline"])]
    assert not [line for line in left if line and str(tmp_path) in " ".join(line)]
