"""Images to learn from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def draw_shapes(folder: Path, each: int) -> Path:
    """A folder of images: so many bars and squares, a folder each."""
    rng = np.random.default_rng(0)
    for name, (height, width) in {"bar": (20, 4), "square": (12, 12)}.items():
        (folder / name).mkdir(parents=True)
        for i in range(each):
            pixels = rng.integers(0, 30, (28, 28), np.uint8)
            top, left = rng.integers(0, 28 - height), rng.integers(0, 28 - width)
            pixels[top : top + height, left : left + width] = 220
            Image.fromarray(pixels).save(folder / name / f"{i}.png")
    return folder
