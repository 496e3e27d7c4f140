"""A rolling update begins only with code that is the same on all nodes and starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster.code import on_disk
from cluster.errors import SenError
from cluster.rolling import agreed, try_code
from cluster.store import Store


def test_the_code_that_all_nodes_have() -> None:
    assert agreed({"a": ("0123456789ab", ""), "b": ("0123456789ab", "")}) == "0123456789ab"


def test_nodes_with_different_code_are_named() -> None:
    found = {"10.0.0.1": ("aaaaaaaaaaaa", ""), "10.0.0.2": ("bbbbbbbbbbbb", "")}
    with pytest.raises(SenError, match=r"10\.0\.0\.1 has aaa.*10\.0\.0\.2 has bbb.*ray rsync-up"):
        agreed(found)


def test_code_that_does_not_start_is_told_with_the_node() -> None:
    found = {"a": ("0123456789ab", ""), "b": (None, "SyntaxError: invalid syntax")}
    with pytest.raises(SenError, match=r"nothing was changed \(b: SyntaxError: invalid syntax"):
        agreed(found)


def test_it_is_tried_in_a_process_of_its_own(tmp_path: Path) -> None:
    store = Store.open(str(tmp_path / "store"), create=True)
    assert try_code(["cluster.slot"], store.uri) == (on_disk(), "")
    assert try_code(["cluster.nowhere"], store.uri) == (
        None,
        "ModuleNotFoundError: No module named 'cluster.nowhere'",
    )


def test_a_store_that_the_new_code_cannot_read_is_told(tmp_path: Path) -> None:
    store = Store.open(str(tmp_path / "store"), create=True)
    (tmp_path / "store" / "sen-store.json").write_text('{"format": 99}')
    code, why = try_code(["cluster.slot"], store.uri)
    assert code is None
    assert "format 99" in why
