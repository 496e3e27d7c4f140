"""The benchmark of revisions, on made-up data and with a budget too small to mean anything."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from benchmarks.revisions import report
from benchmarks.revisions.cli import app


def run(experiment: str, out: Path) -> dict[str, Any]:
    """A smoke test with one seed; gives the results."""
    done = CliRunner().invoke(app, [experiment, "--quick", "--seeds", "1", "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert "a smoke test" in (out / f"{experiment}.md").read_text(encoding="utf-8")
    results: dict[str, Any] = json.loads((out / f"{experiment}.json").read_text(encoding="utf-8"))
    assert results["machine"]["threads"] == 1
    assert results["config"]
    return results


def test_backward_transfer_is_measured_before_and_after(tmp_path: Path) -> None:
    rows = run("backward", tmp_path)["rows"]
    assert [row["way"] for row in rows] == ["mlp", "mlp, examples varied"]
    for row in rows:
        assert row["training_examples"] == 26 * 10
        if row["published"]:
            assert row["accuracy_after"] > row["accuracy_before"]
            assert row["p_value"] <= 0.05
        else:
            assert row["test_after"] == row["test_before"]


def test_forgetting_is_measured_beside_frozen_sources(tmp_path: Path) -> None:
    wide, narrow, shared = run("forgetting", tmp_path)["rows"]
    assert wide["test_earlier"] == narrow["test_earlier"]
    assert narrow["new_parameters"] < wide["new_parameters"] / 4
    assert shared["new_parameters"] == narrow["new_parameters"]
    assert shared["loss"] <= shared["budget"]


def test_pruning_is_measured_in_units_bytes_and_time(tmp_path: Path) -> None:
    for row in run("pruning", tmp_path)["rows"]:
        if not row["published"]:
            assert "cannot be pruned" in row["refused"]
            continue
        assert row["units_after"] < row["units_before"] == 128
        assert row["file_bytes_after"] < row["file_bytes_before"]
        assert row["microseconds_after"] > 0
        assert row["loss"] <= row["max_loss"]


def test_removing_is_measured_beside_a_router_that_never_knew_the_task(tmp_path: Path) -> None:
    rows = run("removing", tmp_path)["rows"]
    removed = [row for row in rows if "milliseconds" in row]
    assert [row["way"] for row in removed] == ["Fashion", "MNIST", "LOWER", "UPPER"]
    for row in removed:
        assert row["decided_otherwise"] <= row["inputs"] / 100
        assert row["weight_difference"] < 1e-3
        assert row["file_bytes_freed"] > 0
    assert all(row.get("answers_changed", 0) == 0 for row in rows)


def test_missing_data_are_an_error(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["backward", "--data-dir", str(tmp_path)])
    assert done.exit_code != 0
    assert "missing" in str(done.exception)


@pytest.mark.parametrize(
    ("rows", "cell"),
    [
        ([{"test": 0.5}], "50.0"),
        ([{"test": 0.5}, {"test": 0.7}], "60.0 ± 14.1"),
        ([{}], "–"),
    ],
)
def test_a_cell_is_a_mean_and_a_deviation(rows: list[dict[str, float]], cell: str) -> None:
    given = [{"way": "mlp", "seed": seed, **row} for seed, row in enumerate(rows)]
    assert f"| mlp | {cell} |" in report.table(given, {"test": "test %"})
