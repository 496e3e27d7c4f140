"""The commands of tutorial pages, run as a reader would: blocks in order, in one directory."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
BLOCK = re.compile(r"```(sh|python)\n(.*?)```", re.DOTALL)

EXPECTED: dict[str, list[tuple[str, ...]]] = {
    "own-tasks.md": [
        (),
        ("test/7/0000.png: ",),
        ('"pathway":"digits@1"',),
        ("stopped",),
    ],
    "own-models.md": [
        (),
        ("links from digits@1", "all 2 tasks are as they were learned"),
        ("nets.residual:Residual {'channels': 8}",),
        ("stopped",),
    ],
}
"""Page → what each of its blocks prints, among else."""


def run(kind: str, body: str, place: Path) -> subprocess.CompletedProcess[str]:
    """Run a block where `sen` and its Python are on the path."""
    script = body if kind == "sh" else f"python - <<'END'\n{body}END\n"
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=place,
        env={**os.environ, "PATH": path, "SEN_HOME": str(place / "home")},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """A directory to work in; what still runs there is stopped at the end."""
    yield tmp_path
    run("sh", "sen down || true", tmp_path)


@pytest.mark.parametrize("page", EXPECTED)
@pytest.mark.timeout(600)
def test_the_blocks_of_a_tutorial_work(page: str, place: Path) -> None:
    blocks = BLOCK.findall((DOCS / page).read_text(encoding="utf-8"))
    for (kind, body), wanted in zip(blocks, EXPECTED[page], strict=True):
        done = run(kind, body, place)
        assert done.returncode == 0, f"{body}\n{done.stdout}\n{done.stderr}"
        for told in wanted:
            assert told in done.stdout, f"{told}\n{body}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stdout + done.stderr
