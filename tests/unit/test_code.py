"""Which code a process runs: a change on the disk is noticed, and what runs older code ends."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.copies import ROOT, copy_code


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The network's code in a folder of its own."""
    return copy_code(tmp_path / "code")


def run(copy: Path, script: str) -> subprocess.CompletedProcess[str]:
    """A script in a process that imports from the copy."""
    return subprocess.run(
        [sys.executable, "-c", script], cwd=copy, capture_output=True, text=True, timeout=120
    )


def code_of(copy: Path) -> str:
    done = run(copy, "from cluster.code import on_disk; print(on_disk())")
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_it_differs_with_any_file_and_not_with_where_it_is(copy: Path, tmp_path: Path) -> None:
    before = code_of(copy)
    assert len(before) == 12
    elsewhere = shutil.copytree(copy, tmp_path / "elsewhere")
    assert code_of(elsewhere) == before
    with (copy / "dispatcher" / "router.py").open("a") as file:
        file.write("# changed\n")
    changed = code_of(copy)
    assert changed != before
    (copy / "dispatcher" / "added.py").write_text("")
    assert code_of(copy) not in (before, changed)


BEGIN_AND_CHANGE = """
import cluster
from cluster.code import LOADED, leave_if_outdated, on_disk
from pathlib import Path

leave_if_outdated()
print("as it began", flush=True)
Path("cluster/added.py").write_text("")
assert on_disk() != LOADED
leave_if_outdated()
print("never reached")
"""


def test_a_process_that_began_with_older_code_ends(copy: Path) -> None:
    done = run(copy, BEGIN_AND_CHANGE)
    assert (done.returncode, done.stdout) == (1, "as it began\n"), done.stderr


def test_the_code_is_noted_before_anything_else_of_the_network_is_imported() -> None:
    first = "import sys, cluster; print([m for m in sys.modules if m.startswith('cluster.')][0])"
    assert run(ROOT, first).stdout.strip() == "cluster.code"
