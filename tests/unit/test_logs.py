"""Logs: whose a file is, its last lines, what was added to it, and what of it tells of errors."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cluster.errors import ConfigError
from cluster.log_files import LogQuery, errors_in, kind_of, read_logs
from cluster.node_logs import NodeLogs
from deploy.logs import ends, grown, wanted_kinds

ID = "worker-0ceefb52a9a1"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A node's logs, as Ray leaves them."""
    slot = ":job_id:01000000\n:actor_name:SlotActor\n"
    files = {
        f"{ID}-01000000-11.err": slot + "slot 3 is lost\n",
        f"{ID}-01000000-11.out": slot,
        f"{ID}-ffffffff-12.err": ":actor_name:ControllerActor\n"
        + "".join(f"{n}\n" for n in range(90)),
        f"{ID}-01000000-13.err": ":actor_name:PreemptionWatcher\nof Ray\n",
        "raylet.out": "[2026-01-05 09:21:07,123 E 28759 2] full\n",
        "serve/replica_sen_ingress_x.log": "INFO a\n",
        "serve/proxy_10.0.0.1.log": "INFO b\n",
    }
    for age, (name, text) in enumerate(reversed(files.items())):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        os.utime(path, (age, age))
    return tmp_path


@pytest.mark.parametrize(
    ("role", "kind"),
    [
        ("ServeReplica:sen:ingress", "replica"),
        ("DispatcherActor", "dispatcher"),
        ("RayTrainWorker", "training"),
        ("HAProxyManager", "serve"),
        ("DatasetManager", "ray"),
    ],
)
def test_a_file_is_that_of_what_runs_in_the_process(role: str, kind: str) -> None:
    name = f"{ID}-01000000-13.err"
    assert kind_of(name, f":job_id:01\n:actor_name:{role}\nsays\n".encode()) == kind
    assert kind_of(name, b"") == "ray"
    assert kind_of(name, b":task_name:run_training_job\n") == "training"


def test_the_ends_of_files_are_read_newest_last(folder: Path) -> None:
    found = read_logs(folder, LogQuery(lines=3))
    assert [(w.kind, w.process, w.lines) for w in found] == [
        ("serve", None, ("INFO b",)),
        ("replica", None, ("INFO a",)),
        ("controller", 12, ("87", "88", "89")),
        ("slot", 11, ()),
        ("slot", 11, ("slot 3 is lost",)),
    ]


def test_ray_s_own_are_read_where_they_are_asked_for(folder: Path) -> None:
    found = read_logs(folder, LogQuery(kinds=frozenset({"ray"})))
    assert {w.file for w in found} == {"raylet.out", f"{ID}-01000000-13.err"}


def test_what_is_added_is_read_once_and_by_whole_lines(folder: Path) -> None:
    query = LogQuery(kinds=frozenset({"slot"}))
    path = folder / f"{ID}-01000000-11.err"
    read = {w.file: w.end for w in read_logs(folder, query)}
    with path.open("a") as file:
        file.write("one\ntw")
    first = read_logs(folder, query, read)
    assert [w.lines for w in first if w.file == path.name] == [("one",)]
    read |= {w.file: w.end for w in first}
    with path.open("a") as file:
        file.write("o\n")
    (folder / f"{ID}2-01000000-14.err").write_text(":actor_name:SlotActor\nnew\n")
    again = {w.file: w.lines for w in read_logs(folder, query, read)}
    assert again[path.name] == ("two",)
    assert again[f"{ID}2-01000000-14.err"] == ("new",)


def test_of_a_huge_file_the_end_is_read(tmp_path: Path) -> None:
    mark = b":actor_name:SlotActor\n"
    (tmp_path / f"{ID}-01-1.err").write_bytes(mark + b"x" * (3 << 20) + b"\nlast \xff\n")
    (written,) = read_logs(tmp_path, LogQuery(lines=1))
    assert written.lines == ("last \ufffd",)


def test_errors_are_told_with_their_tracebacks() -> None:
    told = [
        "Traceback (most recent call last):",
        '  File "a.py", line 1, in f',
        "",
        "  given",
        "ValueError: no",
        "[2026-01-05 09:21:07,123 E 28759 28881] core_worker.cc:2465: lost",
        '{"time": "2026", "level": "ERROR", "message": "request"}',
    ]
    lines = ["started", *told[:5], "goes on", *told[5:], "no errors so far", "an error-free line"]
    assert errors_in(lines) == told


def test_a_kind_that_there_is_not_is_refused_with_those_there_are() -> None:
    assert wanted_kinds(["slot"]) == {"slot"}
    assert "ray" not in wanted_kinds([])
    with pytest.raises(ConfigError, match="no process is a 'slots'; kinds are controller, slot, "):
        wanted_kinds(["slots"])


def test_a_node_that_does_not_answer_is_named_beside_the_others(folder: Path) -> None:
    found = [
        NodeLogs(node="10.0.0.1", written=tuple(read_logs(folder, LogQuery(lines=1)))),
        NodeLogs(node="10.0.0.2", error="did not answer within 30 s"),
    ]
    shown = list(ends(found))
    assert f"── slot 11 on 10.0.0.1, {ID}-01000000-11.err, last at " in "\n".join(shown)
    assert shown[-2:] == [
        "[red]node 10.0.0.2: did not answer within 30 s[/red]",
        "[dim]1 more files have nothing to show[/dim]",
    ]
    assert "[cyan]controller 12 on 10.0.0.1[/cyan] 89" in list(grown(found))
