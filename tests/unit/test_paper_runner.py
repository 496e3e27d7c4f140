"""Runs on real processes: what is kept, what runs again, what fails, and Ctrl-C."""

from __future__ import annotations

import io
import multiprocessing
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from rich.console import Console

from benchmarks.paper.chain import Data, Step, in_sequence, system_tasks
from benchmarks.paper.jobs import (
    Job,
    fingerprint,
    heaviest_first,
    kept_records,
    make_jobs,
    read_record,
    runs_folder,
)
from benchmarks.paper.profiles import PAPER, Baselines, Profile
from benchmarks.paper.record import Record
from benchmarks.paper.runner import Runner
from benchmarks.paper.systems.base import Report, System, silent
from benchmarks.paper.worker import Work
from pathways import Progress, TaskData, image_signature

TASKS = ("fashion", "digits", "lower")
PROFILE = replace(PAPER, shots=(0, 5))


class Fading(System):
    """Right for all of a task that was just learned in full, for a half after the next task, for
    a third after that; for a half of what it learned from few shots, and for none from none."""

    def __init__(self, profile: Profile, seed: int) -> None:
        super().__init__(profile, seed)
        self._learned: dict[str, int | None] = {}

    def learn(self, task: str, data: TaskData, shots: int | None, report: Report = silent) -> None:
        if task in self._learned:
            raise AssertionError(f"{task} was learned before: few shots were learned on no copy")
        self._learned[task] = shots
        report(Progress(epoch=1, epochs=1, loss=0.0, accuracy=1.0))

    def probabilities(self, task: str, data: TaskData) -> NDArray[np.float32]:
        shots, later = self._learned[task], list(self._learned)[::-1].index(task)
        share = {0: 0.0, None: 1.0}.get(shots, 0.5) / (1 + later)
        right = np.arange(len(data)) < share * len(data)
        return np.eye(2, dtype=np.float32)[np.where(right, data.y, 1 - data.y)]

    @property
    def parameters(self) -> int:
        return 10 * len(self._learned)

    def extras(self, data: Data) -> dict[str, Any]:
        return {"tasks": list(data)}


def tiny_data(value: int = 0) -> Data:
    """Three tasks of twelve examples in two classes."""
    part = TaskData(
        x=np.full((12, 28, 28, 1), value, dtype=np.uint8),
        y=np.arange(12, dtype=np.int64) % 2,
        labels=("a", "b"),
        signature=image_signature(),
    )
    return dict.fromkeys(TASKS, (part, part))


def learn_all(job: Job, data: Data, report: Callable[[Step], None]) -> Record:
    return in_sequence(Fading, job.profile, job.system, job.seed, data, report)


def learn_again(job: Job, data: Data, report: Callable[[Step], None]) -> Record:
    return replace(learn_all(job, data, report), extra={"again": True})


def learn_some(job: Job, data: Data, report: Callable[[Step], None]) -> Record:
    """Seed 0 raises, 1 takes its process with it, 2 gives what JSON cannot hold, 3 is learned."""
    if job.seed == 0:
        raise RuntimeError("no memory left")
    if job.seed == 1:
        os._exit(9)
    if job.seed == 2:
        return replace(learn_all(job, data, report), extra={"links": np.zeros(2)})
    return learn_all(job, data, report)


def learn_one(job: Job, data: Data, report: Callable[[Step], None]) -> Record:
    """Seed 0 is learned, the others take a minute."""
    if job.seed:
        time.sleep(60)
    return learn_all(job, data, report)


def runner(out: Path, work: Work, said: io.StringIO | None = None) -> Runner:
    console = Console(file=said or io.StringIO(), width=200)
    return Runner(load=tiny_data, out=out, workers=1, console=console, work=work)


def jobs(profile: Profile = PROFILE, seeds: int = 2) -> list[Job]:
    return make_jobs(profile, ["ewc"], range(seeds), fingerprint(tiny_data()))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An output folder in which `jobs()` are done; tests copy it."""
    out = tmp_path_factory.mktemp("finished")
    assert runner(out, learn_all).run(jobs()) == []
    return out


@pytest.fixture
def out(finished: Path, tmp_path: Path) -> Path:
    return shutil.copytree(finished, tmp_path / "out")


def test_a_run_learns_in_sequence_and_few_shots_on_copies() -> None:
    steps: list[Step] = []
    record = in_sequence(Fading, PROFILE, "ewc", 3, tiny_data(), steps.append)
    assert record.matrix == (
        {"fashion": 1.0},
        {"fashion": 0.5, "digits": 1.0},
        {"fashion": pytest.approx(1 / 3), "digits": 0.5, "lower": 1.0},
    )
    assert record.few_shot == {"0": dict.fromkeys(TASKS, 0.0), "5": dict.fromkeys(TASKS, 0.5)}
    assert record.initial == dict.fromkeys(TASKS, 0.0)
    assert record.parameters == {"fashion": 10, "digits": 20, "lower": 30}
    assert record.test_examples == dict.fromkeys(TASKS, 12)
    assert record.extra == {"tasks": list(TASKS)}
    assert [(step.task, step.shots) for step in steps[:4]] == [
        ("fashion", 0),
        ("fashion", 5),
        ("fashion", None),
        ("digits", 0),
    ]


def test_only_sen_and_single_learn_sounds() -> None:
    assert [name for name in PAPER.systems if "spoken" in system_tasks(name)] == ["sen", "single"]


def test_finished_runs_are_kept_whole(finished: Path) -> None:
    records = kept_records(finished, PROFILE, fingerprint(tiny_data()))
    assert [(record.system, record.seed) for record in records] == [("ewc", 0), ("ewc", 1)]
    expected = in_sequence(Fading, PROFILE, "ewc", 1, tiny_data(), lambda step: None)
    assert replace(records[1], seconds=expected.seconds) == expected
    assert [path.suffix for path in runs_folder(finished).iterdir()] == [".json", ".json"]


def test_finished_runs_are_not_made_again(out: Path) -> None:
    before = {path: path.read_bytes() for path in runs_folder(out).iterdir()}
    said = io.StringIO()
    assert runner(out, learn_again, said).run(jobs()) == []
    assert {path: path.read_bytes() for path in runs_folder(out).iterdir()} == before
    assert "2 of 2 runs are already in" in said.getvalue()


def test_damaged_runs_and_runs_of_other_settings_are_made_again(out: Path) -> None:
    kept, damaged = jobs()
    text = damaged.path(out).read_text(encoding="utf-8")
    damaged.path(out).write_text(text[: len(text) // 2], encoding="utf-8")
    (changed,) = jobs(replace(PROFILE, baselines=Baselines(ewc_strength=1.0)), seeds=1)
    said = io.StringIO()
    assert runner(out, learn_again, said).run([kept, damaged, changed]) == []
    for job in (damaged, changed):
        record = read_record(job.path(out))
        assert record is not None and record.extra == {"again": True}
    still = read_record(kept.path(out))
    assert still is not None and "again" not in still.extra
    assert f"{damaged.path(out).name} is damaged; ewc, profile paper, seed 1 runs again" in (
        said.getvalue()
    )


def test_a_run_depends_on_its_data_and_settings_alone() -> None:
    (job,) = jobs(seeds=1)
    (fewer,) = jobs(replace(PROFILE, shots=(0,)), seeds=1)
    (other,) = make_jobs(PROFILE, ["ewc"], [0], fingerprint(tiny_data(value=1)))
    (alone,) = jobs(replace(PROFILE, systems=("ewc",)), seeds=1)
    assert len({job.settings, fewer.settings, other.settings}) == 3
    assert alone.settings == job.settings


def test_a_failed_run_is_named_and_the_others_are_kept(tmp_path: Path) -> None:
    said = io.StringIO()
    failures = runner(tmp_path, learn_some, said).run(jobs(seeds=4))
    assert [failure.job.seed for failure in failures] == [0, 1, 2]
    assert "RuntimeError: no memory left" in failures[0].reason
    assert failures[1].reason == "its process ended with exit code 9"
    assert "ndarray" in failures[2].reason
    assert "ewc, profile paper, seed 0 failed:" in said.getvalue()
    records = kept_records(tmp_path, PROFILE, fingerprint(tiny_data()))
    assert [record.seed for record in records] == [3]


def test_ctrl_c_ends_the_processes_and_keeps_what_is_finished(tmp_path: Path) -> None:
    first, second = jobs()

    def interrupt() -> None:
        while not first.path(tmp_path).exists():
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        runner(tmp_path, learn_one).run([first, second])
    assert time.monotonic() - started < 30
    assert read_record(first.path(tmp_path)) and not second.path(tmp_path).exists()
    assert multiprocessing.active_children() == []


def test_the_longest_runs_come_first() -> None:
    made = make_jobs(PAPER, ["ewc", "sen", "joint", "pnn"], [0, 1], "")
    assert [job.system for job in heaviest_first(made)] == [
        *("sen", "joint", "sen", "joint"),
        *("ewc", "pnn", "ewc", "pnn"),
    ]
