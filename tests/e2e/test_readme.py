"""The README's commands, run as a newcomer would: its code blocks, in order, in one directory."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"```(sh|python)\n(.*?)```", re.DOTALL)
# `make test` is what runs this test.
BLOCKS = [
    (kind, body)
    for kind, body in BLOCK.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    if "make test" not in body
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory to work in, so that the repository stays clean; `make` runs in that."""
    place = tmp_path_factory.mktemp("readme")
    (place / ".venv").symlink_to(Path(sys.prefix))
    yield place
    run("sh", ". .venv/bin/activate; sen down || true", place)


def run(kind: str, body: str, place: Path) -> subprocess.CompletedProcess[str]:
    """Run a block; the environment is the one the README has activated."""
    script = body if kind == "sh" else f"python - <<'END'\n{body}END\n"
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=ROOT if body.startswith("make") else place,
        env={**os.environ, "PATH": path, "SEN_HOME": str(place / "home")},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )


EXPECTED = {
    "make demo": "Every task answers bit-identically after all 5 were learned",
    "sen learn": "all 2 tasks are as they were learned",
    "curl": '"status":"ok"',
    "import cluster": "shapes",
    "sen down": "all 3 tasks are as they were learned",
}


def test_the_readme_has_the_blocks_this_test_knows() -> None:
    for name in EXPECTED:
        assert any(name in body for _, body in BLOCKS), name


@pytest.mark.parametrize(("kind", "body"), BLOCKS, ids=[b.split("\n")[0][:40] for _, b in BLOCKS])
def test_a_block_of_the_readme_works(kind: str, body: str, place: Path) -> None:
    done = run(kind, body, place)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    wanted = next(text for name, text in EXPECTED.items() if name in body)
    assert wanted in done.stdout, f"{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stdout + done.stderr
