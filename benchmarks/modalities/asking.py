"""Asking with a noisy image, a noisy sound, and both: the product's own dispatcher, router and
pathways in one process, without Ray."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.modalities.data import TASKS, Digits, noisy_images, noisy_sounds, pair_rows
from cluster.config import SlotConfig
from cluster.dispatch import NetworkDispatcher, features_for
from cluster.expansion import learn_routing, write
from cluster.inputs import Input, inputs_from_array
from cluster.local import LocalSlot
from cluster.messages import Answer, NetworkView
from cluster.registry import Registry
from cluster.routers import Routers
from cluster.running import Results, Running
from cluster.store import Store
from dispatcher import SelectConfig
from pathways import LearnConfig, PathwayId, TaskData, learn


@dataclass(frozen=True, kw_only=True)
class Levels:
    """How much noise, and how many pairs."""

    images: Sequence[float] = (0.0, 0.15, 0.3)
    """Standard deviation of the noise, as a share of the range of grey."""
    sounds_db: Sequence[float | None] = (None, 25.0, 15.0)
    """Power of the sound over that of the noise, in decibels; None: no noise."""
    pairings: int = 5
    """Times that images and sounds are paired, and noise is drawn, anew."""
    per_sound: int = 1
    """Images that each recording is paired with."""


@dataclass(frozen=True, kw_only=True)
class Right:
    """Share of right answers at one level of noise on each, a value a pairing."""

    image_noise: float
    sound_db: float | None
    image: list[float] = field(default_factory=list)
    """The image alone, its task told: never unknown."""
    sound: list[float] = field(default_factory=list)
    both: list[float] = field(default_factory=list)
    image_routed: list[float] = field(default_factory=list)
    """The same three with no task told: to be unknown is not to be right."""
    sound_routed: list[float] = field(default_factory=list)
    both_routed: list[float] = field(default_factory=list)


def build(digits: Digits, how: LearnConfig, root: Path) -> NetworkDispatcher:
    """A network of both tasks in a store at `root`, and its dispatcher."""
    store = Store.open(root, create=True)
    registry, routers = Registry(), Routers(store)
    for number, (name, data) in enumerate(
        (("digits", digits.images), ("spoken", digits.sounds)), start=1
    ):
        stored = learn(PathwayId(name), data, [], how)
        learned = write(store, stored, learn_routing(features_for(data.signature), data))
        entry = learned.entry(f"{number:08d}-{name}", datetime.now(UTC))
        registry = registry.publish([entry])
        routers.add(entry)
    running = Running(_no_slot, _no_wake, LocalSlot(store, SlotConfig()))
    dispatcher = NetworkDispatcher(SelectConfig(), running)
    view = NetworkView(epoch=1, registry=registry, placement={})
    dispatcher.adopt(view, {key: routers.solve(key) for key in registry.signatures})
    return dispatcher


async def _no_slot(handle: Any, groups: Any) -> Results:
    raise AssertionError("both pathways are small: they run in this process")


async def _no_wake(pathway: PathwayId, *, missing: bool) -> Any:
    raise AssertionError("both pathways are small: they run in this process")


def measure(digits: Digits, how: LearnConfig, levels: Levels) -> list[Right]:
    """Every level of noise on images with every one on sounds."""
    with TemporaryDirectory(prefix="sen-modalities-") as root:
        dispatcher = build(digits, how, Path(root) / "store")
        found = {
            (i, s): Right(image_noise=i, sound_db=s)
            for i in levels.images
            for s in levels.sounds_db
        }
        for pairing in range(levels.pairings):
            asyncio.run(_measure_once(dispatcher, digits, levels, pairing, found))
    return list(found.values())


async def _measure_once(
    dispatcher: NetworkDispatcher,
    digits: Digits,
    levels: Levels,
    seed: int,
    found: Mapping[tuple[float, float | None], Right],
) -> None:
    test_images, test_sounds = digits.test_images, digits.test_sounds
    rows = pair_rows(test_images.y, test_sounds.y, levels.per_sound, seed)
    y, labels = test_sounds.y[rows[1]], test_sounds.labels
    images = {n: noisy_images(test_images.x[rows[0]], n, seed) for n in levels.images}
    sounds = {n: noisy_sounds(test_sounds.x[rows[1]], n, seed) for n in levels.sounds_db}
    seen = {n: await _alone(dispatcher, test_images, x, y) for n, x in images.items()}
    heard = {n: await _alone(dispatcher, test_sounds, x, y) for n, x in sounds.items()}
    for (i, s), result in found.items():
        result.image.append(seen[i][0])
        result.image_routed.append(seen[i][1])
        result.sound.append(heard[s][0])
        result.sound_routed.append(heard[s][1])
        pairs = list(zip(_inputs(images[i], 0), _inputs(sounds[s], 8000), strict=True))
        told = await dispatcher.answer_together(pairs, TASKS)
        result.both.append(_right(told, y, labels))
        result.both_routed.append(_right(await dispatcher.answer_together(pairs), y, labels))


async def _alone(
    dispatcher: NetworkDispatcher, task: TaskData, x: NDArray[Any], y: NDArray[np.int64]
) -> tuple[float, float]:
    """(with the task told, without)."""
    name = "digits" if task.signature.modality == "image" else "spoken"
    told = await dispatcher.predict(task.signature, x, name)
    routed = await dispatcher.predict(task.signature, x)
    return _right(told, y, task.labels), _right(routed, y, task.labels)


def _inputs(x: NDArray[Any], rate_hz: int) -> list[Input]:
    return inputs_from_array(x, rate_hz)


def _right(answers: Sequence[Answer], y: NDArray[np.int64], labels: Sequence[str]) -> float:
    pairs = zip(answers, y, strict=True)
    return float(np.mean([answer.label == labels[c] for answer, c in pairs]))
