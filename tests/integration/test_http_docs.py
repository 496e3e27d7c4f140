"""The examples of docs/http.md, run as they stand but for the address."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from tests.integration.conftest import Served

DOCS = Path(__file__).parents[2] / "docs" / "http.md"
BLOCKS = re.findall(r"```(sh|python)\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
EXPECTED = {
    "/v1/predict": '"label"',
    "/v2/models/digits": '"model_name":"sen"',
    "tritonclient": "[",
}
"""A part of a block, and of what it prints. Those that learn are left out: their tasks would be in
the way of other tests, which learn from the same kinds of uploads."""


@pytest.mark.parametrize("part", EXPECTED)
def test_an_example_works(served: Served, tmp_path: Path, part: str) -> None:
    (kind, body) = next(block for block in BLOCKS if part in block[1])
    Image.fromarray(served.test["digits"].x[7, ..., 0]).save(tmp_path / "7.png")
    address = f"127.0.0.1:{served.config.serve.port}"
    script = body.replace("127.0.0.1:8000", address)
    assert script != body
    command = ["bash", "-euo", "pipefail", "-c"] if kind == "sh" else [sys.executable, "-c"]
    done = subprocess.run(
        [*command, script], cwd=tmp_path, env=os.environ, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert EXPECTED[part] in done.stdout.replace(" ", ""), done.stdout
    assert "error" not in done.stdout.lower()
