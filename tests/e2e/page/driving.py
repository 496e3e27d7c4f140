"""Driving the web page in a real browser: to draw, choose and drop, and to read what is shown."""

from __future__ import annotations

import base64
import io
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.e2e.page.site import CHROMIUM

api = pytest.importorskip("playwright.sync_api", reason="needs playwright (pip)")
api.expect.set_options(timeout=30_000)  # a machine may be busy
needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="needs Debian's chromium: apt-get install chromium"
)
SEVEN = [[(0.25, 0.2), (0.5, 0.2), (0.75, 0.2), (0.62, 0.42), (0.52, 0.62), (0.45, 0.85)]]


def draw(page: Any, strokes: list[list[tuple[float, float]]]) -> None:
    box = page.get_by_label("Draw one character").bounding_box()
    for stroke in strokes:
        for i, (x, y) in enumerate(stroke):
            page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
            if i == 0:
                page.mouse.down()
        page.mouse.up()


def choose(page: Any, file: dict[str, Any] | Path) -> None:
    page.locator("input[accept='image/*,audio/*']").set_input_files(file)


def answer(page: Any) -> str:
    """The label that the page gives, once it has asked."""
    label = page.locator(".reply .label b")
    label.wait_for()
    page.locator(".ask:not(.busy)").wait_for()
    return str(label.inner_text())


def pathways(page: Any) -> list[str]:
    return [str(text) for text in page.locator(".paths a").all_inner_texts()]


def picture(page: Any) -> np.ndarray[Any, Any]:
    """What the canvas shows now: uint8 [height, width, 4]."""
    url = page.evaluate("document.querySelector('.picture canvas').toDataURL()")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))))


def settle(page: Any) -> None:
    """Wait until what changed is painted."""
    page.evaluate(
        "new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(() => go())))"
    )


def pixels_like(page: Any, name: str) -> int:
    """Pixels of the picture in a colour of the style sheet."""
    hue = page.evaluate(
        f"getComputedStyle(document.documentElement).getPropertyValue('--{name}').trim()"
    )
    wanted = np.array([int(hue[i : i + 2], 16) for i in (1, 3, 5)])
    shown = picture(page)
    near = np.abs(shown[..., :3].astype(int) - wanted).max(axis=-1) < 12
    return int((near & (shown[..., 3] > 0)).sum())


def drop(page: Any, path: Path) -> None:
    """Drop a file or folder on the page, as from a file manager."""
    events = page.context.new_cdp_session(page)
    data = {"items": [], "files": [str(path)], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        events.send("Input.dispatchDragEvent", {"type": kind, "x": 300, "y": 300, "data": data})


def many(n: int) -> list[dict[str, Any]]:
    """So many tasks of three signatures, most of them learned from an earlier one."""
    rng = random.Random(0)
    kinds = ["image-28x28x1"] * 6 + ["image-32x32x3"] * 2 + ["audio-8000hz-8000"] * 2
    by_kind: dict[str, list[str]] = {kind: [] for kind in kinds}
    tasks = []
    for i in range(n):
        kind = rng.choice(kinds)
        source = rng.choice(by_kind[kind][:200]) if i > 50 and rng.random() < 0.7 else None
        link = {"source_label": "a", "target_label": "b", "similarity": 0.7 + 0.3 * rng.random()}
        by_kind[kind].append(f"task-{i}")
        tasks.append(
            {
                "task": f"task-{i}",
                "version": 1,
                "state": "dormant",
                "reason": None,
                "signature": kind,
                "labels": ["a", "b"],
                "family": "mlp",
                "parameters": 10_000 + 100 * i,
                "active_share": 1 / n,
                "source": f"{source}@1" if source else None,
                "links": [link] if source else [],
                "examples": 100,
                "held_out_accuracy": 0.9,
                "held_out_r2": None,
                "output": "classes",
                "learned_at": "2025-01-01T00:00:00+00:00",
            }
        )
    return tasks
