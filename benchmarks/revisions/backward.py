"""Backward transfer: small letters, learned from few examples, gain from capitals learned later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.revisions.setting import HELD_OUT, Row, Setting
from pathways import (
    FrozenPathway,
    ImproveConfig,
    LearnConfig,
    PathwayId,
    StoredPathway,
    TaskData,
    improve,
    learn,
    load_source,
)

EARLIER, LATER = "lower", "upper"
SHOTS = 10
COLUMNS: Mapping[str, str] = {
    "test_before": "before %",
    "test_after": "after %",
    "linked_before": "linked before %",
    "linked_after": "after %",
    "others_before": "others before %",
    "others_after": "after %",
    "links": "links",
    "published": "published",
}


def config(setting: Setting, seed: int = 0) -> dict[str, Any]:
    """Every setting, plain."""
    return {
        "shots": SHOTS,
        "held_out_share": HELD_OUT,
        "ways": {
            way: {"earlier": asdict(earlier), "later": asdict(later), "improve": asdict(how)}
            for way, (earlier, later, how) in ways(setting, seed).items()
        },
    }


def ways(setting: Setting, seed: int) -> dict[str, tuple[LearnConfig, LearnConfig, ImproveConfig]]:
    """Way → how the earlier task is learned, the later one, and the earlier one again."""
    few, full = (
        setting.learning(EARLIER, SHOTS, seed),
        setting.learning(LATER, None, seed),
    )
    varied = replace(few, train=replace(few.train, augment=True))
    return {
        "mlp": (few, full, _improving(few)),
        "mlp, examples varied": (varied, full, _improving(varied)),
    }


def _improving(learned: LearnConfig) -> ImproveConfig:
    """The same budget that the first version had."""
    return ImproveConfig(shots=SHOTS, seed=learned.seed, train=learned.train)


def run(setting: Setting, seed: int) -> list[Row]:
    """Both ways with one seed."""
    earlier, later = setting.load(EARLIER), setting.load(LATER)
    return [
        {"way": way, "seed": seed, **_measured(earlier, later[0], *how)}
        for way, how in ways(setting, seed).items()
    ]


def _measured(
    earlier: tuple[TaskData, TaskData],
    later: TaskData,
    few: LearnConfig,
    full: LearnConfig,
    how: ImproveConfig,
) -> Row:
    train, test = earlier
    first = learn(PathwayId(EARLIER), train, [], few)
    helper = learn(PathwayId(LATER), later, [load_source(first)], full)
    revised = improve(first, None, train, [load_source(helper)], how, 2)
    second = revised.pathways[0] if revised.pathways else first
    before = _right(first, None, test)
    after = _right(second, helper if revised.pathways else None, test)
    linked = np.isin(test.y, [link.target_class for link in second.spec.links])
    return {
        "test_before": before.mean(),
        "test_after": after.mean(),
        **_part("linked", before, after, linked),
        **_part("others", before, after, ~linked),
        "published": len(revised.pathways),
        **revised.facts,
    }


def _part(
    name: str, before: NDArray[np.bool_], after: NDArray[np.bool_], rows: NDArray[np.bool_]
) -> Row:
    if not rows.any():
        return {}
    return {f"{name}_before": before[rows].mean(), f"{name}_after": after[rows].mean()}


def _right(given: StoredPathway, source: StoredPathway | None, test: TaskData) -> NDArray[np.bool_]:
    answers = FrozenPathway.load(given, source).probabilities(test.x)
    right: NDArray[np.bool_] = answers.argmax(axis=1) == test.y
    return right
