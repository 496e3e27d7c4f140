"""Commands in documents, run as a newcomer would: code blocks, in order, in one directory.

The README's and the tutorials' use the default port, so they stand in one module: the modules here
run side by side.
"""

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


def run(kind: str, body: str, place: Path) -> subprocess.CompletedProcess[str]:
    """Run a block where `sen` and its Python are on the path."""
    script = body if kind == "sh" else f"python - <<'END'\n{body}END\n"
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=ROOT if body.startswith("make") else place,
        env={**os.environ, "PATH": path, "SEN_HOME": str(place / "home")},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )


def check(done: subprocess.CompletedProcess[str], body: str, *wanted: str) -> None:
    everything = f"{body}\n{done.stdout}\n{done.stderr}"
    assert done.returncode == 0, everything
    for told in wanted:
        assert told in done.stdout, f"{told}\n{everything}"
    assert "Traceback" not in done.stdout + done.stderr


# The README.


# `make test` is what runs this test.
BLOCKS = [
    (kind, body)
    for kind, body in BLOCK.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    if "make test" not in body
]

OF_README = {
    "make demo": "Every task answers bit-identically after all 5 were learned",
    "sen learn": "all 2 tasks are as they were learned",
    "curl": '"status":"ok"',
    "import cluster": "shapes",
    "sen down": "all 3 tasks are as they were learned",
}


@pytest.fixture(scope="module")
def readers_place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory to work in, so that the repository stays clean; `make` runs in that."""
    place = tmp_path_factory.mktemp("readme")
    (place / ".venv").symlink_to(Path(sys.prefix))
    yield place
    run("sh", ". .venv/bin/activate; sen down || true", place)


def test_the_readme_has_the_blocks_this_test_knows() -> None:
    for name in OF_README:
        assert any(name in body for _, body in BLOCKS), name


@pytest.mark.parametrize(("kind", "body"), BLOCKS, ids=[b.split("\n")[0][:40] for _, b in BLOCKS])
def test_a_block_of_the_readme_works(kind: str, body: str, readers_place: Path) -> None:
    wanted = next(text for name, text in OF_README.items() if name in body)
    check(run(kind, body, readers_place), body, wanted)


# The tutorials.


OF_TUTORIALS: dict[str, list[tuple[str, ...]]] = {
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


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """A directory to work in; what still runs there is stopped at the end."""
    yield tmp_path
    run("sh", "sen down || true", tmp_path)


@pytest.mark.parametrize("page", OF_TUTORIALS)
def test_the_blocks_of_a_tutorial_work(page: str, place: Path) -> None:
    blocks = BLOCK.findall((ROOT / "docs" / page).read_text(encoding="utf-8"))
    for (kind, body), wanted in zip(blocks, OF_TUTORIALS[page], strict=True):
        check(run(kind, body, place), body, *wanted)
