"""What several of the end-to-end tests need."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of images: bars and squares."""
    folder = tmp_path_factory.mktemp("shapes")
    rng = np.random.default_rng(0)
    for name, (height, width) in {"bar": (20, 4), "square": (12, 12)}.items():
        (folder / name).mkdir()
        for i in range(150):
            pixels = rng.integers(0, 30, (28, 28), np.uint8)
            top, left = rng.integers(0, 28 - height), rng.integers(0, 28 - width)
            pixels[top : top + height, left : left + width] = 220
            Image.fromarray(pixels).save(folder / name / f"{i}.png")
    return folder
