"""What is to be run, on which data, and where its result is kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.paper.chain import Data
from benchmarks.paper.profiles import Profile
from benchmarks.paper.record import Record
from benchmarks.paper.tasks import TASKS, Letters, load_task
from pathways import TaskData

_HEAVY = ("sen", "joint")  # first, so that no worker is left alone with one at the end
_CUT_SEED = 0


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Which data the tasks are learned from."""

    data_dir: Path | None
    """Real data; None for what the product makes up."""
    letters: Letters = "cased"
    per_class: tuple[int, int] | None = None
    """Examples a class to cut (train, test) down to; None for all."""

    def load(self) -> Data:
        """Every task's data, the same on every call. Raises DataError."""
        return {task: self._cut(self._load(task)) for task in TASKS}

    def _load(self, task: str) -> tuple[TaskData, TaskData]:
        return load_task(task, self.data_dir, validation=False, letters=self.letters)

    def _cut(self, parts: tuple[TaskData, TaskData]) -> tuple[TaskData, TaskData]:
        if self.per_class is None:
            return parts
        rng = np.random.default_rng(_CUT_SEED)
        train, test = parts
        return train.shots(self.per_class[0], rng), test.shots(self.per_class[1], rng)


def fingerprint(data: Data) -> str:
    """SHA-256 of every input, label and class name."""
    digest = hashlib.sha256()
    for task, parts in data.items():
        for part in parts:
            digest.update(repr((task, part.signature.key, part.labels, part.x.shape)).encode())
            digest.update(part.x.tobytes())
            digest.update(part.y.tobytes())
    return digest.hexdigest()


@dataclass(frozen=True, kw_only=True)
class Job:
    """One run to make."""

    profile: Profile
    system: str
    seed: int
    settings: str
    """Of `settings_hash`: what a kept result must agree with to be used again."""

    def __str__(self) -> str:
        return f"{self.system}, profile {self.profile.name}, seed {self.seed}"

    def path(self, out: Path) -> Path:
        """Where its result is kept."""
        name = f"{self.profile.name}-{self.system}-{self.seed}-{self.settings}.json"
        return runs_folder(out) / name


def runs_folder(out: Path) -> Path:
    """Where the results of single runs are, below the output folder."""
    return out / "runs"


def profile_config(profile: Profile) -> dict[str, Any]:
    """How a profile learns, as JSON values."""
    config: dict[str, Any] = json.loads(json.dumps(asdict(profile)))
    return config


def settings_hash(profile: Profile, data_fingerprint: str) -> str:
    """12 hex digits of everything besides system and seed that a run's figures depend on."""
    config = profile_config(profile)
    del config["systems"]  # which others run says nothing about one run
    text = json.dumps([config, data_fingerprint], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def make_jobs(
    profile: Profile, systems: Iterable[str], seeds: Iterable[int], data_fingerprint: str
) -> list[Job]:
    """Every system with every seed."""
    settings = settings_hash(profile, data_fingerprint)
    systems = tuple(systems)
    return [
        Job(profile=profile, system=system, seed=seed, settings=settings)
        for seed in seeds
        for system in systems
    ]


def heaviest_first(jobs: Iterable[Job]) -> list[Job]:
    """For balance: long jobs before short ones, else in the order given."""
    return sorted(jobs, key=lambda job: job.system not in _HEAVY)


def write_record(record: Record, path: Path) -> None:
    """Keep a result, all of it or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".tmp")
    unfinished.write_text(record.to_json(), encoding="utf-8")
    unfinished.replace(path)


def read_record(path: Path) -> Record | None:
    """A kept result, or None if there is none or it is damaged."""
    try:
        return Record.from_json(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None


def kept_records(out: Path, profile: Profile, data_fingerprint: str) -> list[Record]:
    """Every kept result of these settings, in the profile's order of systems, by seed."""
    settings = settings_hash(profile, data_fingerprint)
    paths = runs_folder(out).glob(f"{profile.name}-*-{settings}.json")
    records = [record for path in paths if (record := read_record(path))]
    known = [record for record in records if record.system in profile.systems]
    return sorted(known, key=lambda record: (profile.systems.index(record.system), record.seed))
