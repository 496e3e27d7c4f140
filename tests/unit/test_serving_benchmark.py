"""The serving benchmark: what it sends, and what it says was reached."""

from __future__ import annotations

import io
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from benchmarks.serving import report
from benchmarks.serving.load import Traffic, prepare
from benchmarks.serving.measure import Load, Row, loads, middle
from benchmarks.serving.models import Served

SERVED = Served(
    store=Path("nowhere"),
    tasks=tuple(f"t{i}" for i in range(20)),
    inputs={f"t{i}": np.full((64, 4, 4, 1), i, np.uint8) for i in range(20)},
)


def row(system: str, rps: float, p99_ms: float = 10.0, **load: int) -> Row:
    return Row(
        system=system,
        load=Load(
            **{"tasks": 100, "room": 100, "traffic": "uniform", "batch": 1, "connections": 32}  # type: ignore[arg-type]
            | load
        ),
        rps=rps,
        images_per_s=rps * load.get("batch", 1),
        p50_ms=2.0,
        p99_ms=p99_ms,
        failed=0,
        cpu_ms=1.0,
        memory_bytes=2**30,
    )


@pytest.mark.parametrize("traffic", ["uniform", "zipf"])
def test_requests_ask_each_task_for_its_own_images(tmp_path: Path, traffic: Traffic) -> None:
    folder = prepare(tmp_path / "load", SERVED, traffic, 3, lambda task: f"/ask/{task}")
    asked: Counter[str] = Counter()
    for line in (folder / "order").read_text(encoding="utf-8").splitlines():
        file, path = line.split(" ")
        task = file.split(".")[0]
        assert path == f"/ask/{task}"
        asked[task] += 1
        x = np.load(io.BytesIO((folder / file).read_bytes()))
        np.testing.assert_array_equal(x, np.full((3, 4, 4, 1), int(task[1:])))
    most = max(asked.values()) / asked.total()
    assert (most > 0.2) if traffic == "zipf" else (most < 0.1)
    assert len(asked) == 20


def test_targets_are_ratios_of_one_run_and_say_what_is_missing() -> None:
    rows = [row("dispatching", 900), row("told", 1_000), row("plain", 2_000, p99_ms=4.0)]
    found = {target.what: target for target in report.targets(rows)}
    assert found["rps over FastAPI + uvicorn's"].reached == pytest.approx(0.45)
    assert found["rps over FastAPI + uvicorn's"].met is False
    assert found["p99 over FastAPI + uvicorn's"].met is True
    assert found["seconds over those when told the task"].reached == pytest.approx(1 / 0.9)
    assert found["seconds over those when told the task"].met is True
    assert found["rps over serve.multiplexed's"].met is None
    assert "not measured" in report.text(rows)


def test_the_middle_of_the_rounds_counts() -> None:
    rounds = [row("plain", rps) for rps in (10, 900, 30)] + [row("plain", 5, batch=256)]
    assert [kept.rps for kept in middle(rounds)] == [30, 5]


def test_little_room_and_a_smoke_test_have_one_load() -> None:
    assert len(loads(100, 20, is_quick=False)) == len(loads(5, 5, is_quick=True)) == 1
    assert len(loads(5, 5, is_quick=False)) == 16


def test_results_are_written_as_numbers_tables_and_a_picture(tmp_path: Path) -> None:
    rows = [row("plain", 2_000), row("dispatching", 900, connections=8)]
    results, tables, picture = report.write(tmp_path / "out", rows, {"machine": {"cores": 2}})
    written = json.loads(results.read_text(encoding="utf-8"))
    assert (written["machine"], len(written["rows"])) == ({"cores": 2}, 2)
    assert "FastAPI + uvicorn" in tables.read_text(encoding="utf-8")
    assert picture.read_bytes().startswith(b"\x89PNG")
