"""Writes what the runs found: results.json, tables.md and the pictures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.machine import machine
from benchmarks.paper import aggregate
from benchmarks.paper.aggregate import Systems
from benchmarks.paper.chain import Data
from benchmarks.paper.jobs import DataConfig, kept_records, profile_config
from benchmarks.paper.plots import draw_all
from benchmarks.paper.profiles import Profile
from benchmarks.paper.tables import profile_section
from benchmarks.paper.targets import Reached, judge

MADE_UP = (
    "These figures are of made-up data (no --data-dir was given); they are not to be compared "
    "with the paper's."
)
QUICK = "These figures are of a smoke test (--quick): the budget is far too small to mean anything."

_NOTES = """\
Mean ± sample standard deviation over seeds; *in italics* the paper's figure. A system that shares
one network between tasks cannot take audio beside images: its Audio column is Single-task's.
ACC is the mean over tasks at the end, *ACC by example* Avalanche's StreamAccuracy; BWT, FWT and
forgetting are Avalanche's. FWT takes the 0-shot accuracy, for which SEN may use the new task's
examples to find links. Seconds are of training in full, with other runs beside."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """What is reported on, and where to."""

    out: Path
    data_config: DataConfig
    data: Data
    fingerprint: str
    """Of `data`."""
    profiles: Sequence[Profile]
    warnings: Sequence[str]
    """Why the figures must not be taken for results, if so."""

    def write(self) -> list[Path]:
        """Write what there are results for; gives the files."""
        systems = {profile.name: self._systems(profile) for profile in self.profiles}
        found = [profile for profile in self.profiles if systems[profile.name]]
        if not found:
            return []
        results = self.out / "results.json"
        results.write_text(json.dumps(self._results(found, systems), indent=1), encoding="utf-8")
        tables = self.out / "tables.md"
        tables.write_text(self._tables(found, systems), encoding="utf-8")
        pictures = [
            path
            for profile in found
            for path in draw_all(
                systems[profile.name], profile.shots, self.data, self.out, profile.name
            )
        ]
        return [results, tables, *pictures]

    def _systems(self, profile: Profile) -> Systems:
        return aggregate.by_system(kept_records(self.out, profile, self.fingerprint))

    def _results(self, profiles: Sequence[Profile], systems: dict[str, Systems]) -> dict[str, Any]:
        return {
            "warnings": list(self.warnings),
            "machine": machine() | {"matplotlib": version("matplotlib")},
            "data": {
                "real": self.data_config.data_dir is not None,
                "letters": self.data_config.letters,
                "sha256": self.fingerprint,
                "examples": {
                    task: [len(part) for part in parts] for task, parts in self.data.items()
                },
            },
            "profiles": {
                profile.name: _profile_results(profile, systems[profile.name])
                for profile in profiles
            },
        }

    def _tables(self, profiles: Sequence[Profile], systems: dict[str, Systems]) -> str:
        parts = ["# The paper's experiments", *(f"**{each}**" for each in self.warnings), _NOTES]
        for profile in profiles:
            its = systems[profile.name]
            seeds = sorted({record.seed for runs in its.values() for record in runs})
            parts.append(f"## Profile `{profile.name}`, seeds {', '.join(map(str, seeds))}")
            parts.append(profile_section(profile.name, its, profile.shots))
        return "\n\n".join(parts) + "\n"


def _profile_results(profile: Profile, systems: Systems) -> dict[str, Any]:
    return {
        "config": profile_config(profile),
        "seeds": {name: [run.seed for run in runs] for name, runs in systems.items()},
        "targets": [_target(reached) for reached in judge(profile.name, systems)],
        "figures": aggregate.summary(systems, profile.shots),
        "runs": [asdict(run) for runs in systems.values() for run in runs],
    }


def _target(reached: Reached) -> dict[str, Any]:
    return {
        "measure": reached.target.measure,
        "task": reached.target.task,
        "shots": reached.target.shots,
        "bound": reached.bound,
        "at_most": reached.target.at_most,
        "reached": reached.figure,
        "by_example": reached.by_example,
        "met": reached.met,
    }
