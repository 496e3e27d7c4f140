"""Graceful forgetting: capitals with few units of their own share those of small letters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from benchmarks.revisions.setting import Row, Setting, test_accuracy
from pathways import (
    DataError,
    LearnConfig,
    PathwayId,
    ShareConfig,
    StoredPathway,
    TaskData,
    learn,
    learn_sharing,
    load_source,
)

EARLIER, NEW = "lower", "upper"
NEW_UNITS = 16
COLUMNS: Mapping[str, str] = {
    "new_parameters": "new weights",
    "test_new": "new task, test %",
    "test_earlier": "earlier task, test %",
    "loss": "loss held out, points",
    "published": "published",
}


def config(setting: Setting, seed: int = 0) -> dict[str, Any]:
    """Every setting, plain."""
    return {
        "earlier": asdict(setting.learning(EARLIER, None, seed)),
        "new": asdict(setting.learning(NEW, None, seed)),
        "share": asdict(_sharing(setting)),
    }


def _sharing(setting: Setting) -> ShareConfig:
    # Made-up data are too few to judge two points by.
    return ShareConfig(budget=0.2 if setting.quick else 0.02, new_units=NEW_UNITS)


def run(setting: Setting, seed: int) -> list[Row]:
    """Links to a frozen source with all units and with few, and few units that share."""
    earlier, new = setting.load(EARLIER), setting.load(NEW)
    how = setting.learning(NEW, None, seed)
    first = learn(PathwayId(EARLIER), earlier[0], [], setting.learning(EARLIER, None, seed))
    unchanged = test_accuracy(first, None, earlier[1])
    rows = [
        {"way": way, "seed": seed, "test_earlier": unchanged, **_frozen(first, new, config)}
        for way, config in (
            ("all units, source frozen", how),
            ("few units, source frozen", replace(how, options={"hidden": NEW_UNITS})),
        )
    ]
    shared = _shared(first, earlier, new, how, _sharing(setting))
    return [*rows, {"way": "few units, shared", "seed": seed, **shared}]


def _frozen(source: StoredPathway, new: tuple[TaskData, TaskData], config: LearnConfig) -> Row:
    given = learn(PathwayId(NEW), new[0], [load_source(source)], config)
    lender = source if given.spec.source else None
    return {
        "new_parameters": given.spec.parameters,
        "test_new": test_accuracy(given, lender, new[1]),
        "loss": 0.0,
        "published": 1,
    }


def _shared(
    first: StoredPathway,
    earlier: tuple[TaskData, TaskData],
    new: tuple[TaskData, TaskData],
    how: LearnConfig,
    share: ShareConfig,
) -> Row:
    try:
        revised = learn_sharing(
            PathwayId(NEW), new[0], first, None, earlier[0], how, share, version=2
        )
    except DataError as error:  # the budget cannot be met, which is a finding
        return {"published": 0, "refused": str(error)}
    learned, changed = revised.pathways
    return {
        "test_new": test_accuracy(learned, changed, new[1]),
        "test_earlier": test_accuracy(changed, None, earlier[1]),
        "published": 1,
        **revised.facts,
    }
