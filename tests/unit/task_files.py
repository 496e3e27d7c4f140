"""Small files of examples, and how loading them is refused."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from PIL import Image

from pathways.data.load import load_task
from pathways.errors import DataError


def image_bytes(value: int, height: int = 8, width: int = 8, channels: int = 1) -> bytes:
    mode = "L" if channels == 1 else "RGB"
    buffer = io.BytesIO()
    Image.new(mode, (width, height), value if channels == 1 else (value,) * 3).save(buffer, "PNG")
    return buffer.getvalue()


def sound_bytes(value: float, samples: int = 400, rate_hz: int = 8_000, kind: str = "WAV") -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, np.full(samples, value, np.float32), rate_hz, format=kind)
    return buffer.getvalue()


def write(root: Path, files: dict[str, bytes]) -> Path:
    for name, body in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    return root


def refusal(path: Path, error: type[Exception] = DataError, **options: Any) -> str:
    """The message `load_task` fails with; it always names the path."""
    with pytest.raises(error) as caught:
        load_task(path, **options)
    assert type(caught.value) is error
    assert str(path) in str(caught.value)
    return str(caught.value)


PNGS = [image_bytes(value) for value in (30, 10, 20)]
IMAGES = np.arange(4 * 6 * 6, dtype=np.uint8).reshape(4, 6, 6)
Y = np.array([7, 3, 10, 3])
"""A class of each of the images."""
