"""The paper's experiments as a command: the smoke test that CI runs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_paper_s_experiments_run_on_made_up_data(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.paper", "--quick", "--out", str(tmp_path)]
    first = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert first.returncode == 0, first.stdout + first.stderr
    assert "made-up data" in " ".join(first.stdout.split())

    results = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    assert {"machine", "profiles"} <= results.keys()
    tables = (tmp_path / "tables.md").read_text(encoding="utf-8")
    for system in (
        "SEN",
        "Single-task",
        "Multi-task (seq)",
        "PNN",
        "EWC",
        "LwF",
        "Replay",
        "Joint",
    ):
        assert system in tables
    for picture in ("paper-figure-4.png", "paper-shots.png", "best-figure-4.png"):
        assert (tmp_path / picture).read_bytes().startswith(b"\x89PNG")
    sen = [run for run in runs(tmp_path) if run["system"] == "sen"]
    assert {run["profile"] for run in sen} == {"paper", "best"}
    for run in sen:
        assert not any(run["extra"]["changed_answers"].values()), (
            "an earlier task's answers changed"
        )
        assert run["extra"]["links"]["upper"], "nothing was found in LOWER for UPPER"

    again = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert again.returncode == 0, again.stdout + again.stderr
    said = " ".join(again.stdout.split())
    assert "10 of 10 runs are already in" in said, "a second call must go on from the first"


def runs(out: Path) -> list[dict[str, object]]:
    """Every kept run."""
    paths = sorted((out / "runs").glob("*.json"))
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths]
