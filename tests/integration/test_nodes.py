"""Slots on several nodes, one of which is lost and one added while requests are answered.

The story is told by on_nodes.py in a process of its own, once for all tests.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

ROOT = Path(__file__).parents[2]
_LONGEST_S = 800  # it takes 40 where the machine has nothing else to do
_RAY = ("RAY_", "SEN_")  # settings of the cluster that the other tests share


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    directory = tmp_path_factory.mktemp("nodes")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(_RAY)}
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.integration.on_nodes", str(directory)],
        cwd=ROOT,
        env={**environment, "SEN_HOME": str(directory / "home")},
        stdout=(directory / "log").open("wb"),
        stderr=subprocess.STDOUT,
    )
    try:
        process.wait(timeout=_LONGEST_S)
        assert process.returncode == 0, (directory / "log").read_text(errors="replace")[-4000:]
        yield SimpleNamespace(**json.loads((directory / "story.json").read_text()))
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """With the nodes that it started, if it could not end them itself."""
    if process.poll() is None:
        family = psutil.Process(process.pid).children(recursive=True)
        for each in (*family, psutil.Process(process.pid)):
            each.kill()
        psutil.wait_procs(family, timeout=10)


def test_pathways_spread_over_the_nodes(story: SimpleNamespace) -> None:
    assert story.spread == {"a": 3, "b": 3}


def test_every_slot_keeps_to_its_node_and_to_a_core_of_its_own(story: SimpleNamespace) -> None:
    assert story.astray == []


def test_requests_are_answered_while_a_node_is_lost_and_another_joins(
    story: SimpleNamespace,
) -> None:
    assert story.answered > 20
    assert story.errors == []
    assert story.wrong == 0
    assert story.verified


def test_what_is_pinned_is_woken_on_a_node_that_is_left(story: SimpleNamespace) -> None:
    assert sum(story.after_loss.values()) <= 4, "two slots of two pathways are left"
    assert story.pinned_again_s < 100


def test_a_node_that_joins_takes_over_pathways(story: SimpleNamespace) -> None:
    assert story.after_join["c"] >= 3
    assert sum(story.after_join.values()) == 6


def test_a_hot_pathway_is_in_two_slots(story: SimpleNamespace) -> None:
    assert len(story.copies_on) == 2
