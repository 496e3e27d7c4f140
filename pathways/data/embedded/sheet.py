"""Contact sheets: a task's examples at a glance, one row a class.

`python -m pathways.data.embedded.sheet OUT_DIR` writes one PNG for every embedded set.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from pathways.data.embedded.sets import NAMES, embedded_task
from pathways.data.task import TaskData

_ZOOM = 2
_MARGIN = 90  # pixels left of the rows, for the class names
_WINDOW, _HOP = 256, 200  # of a spectrogram tile, in samples
_FLOOR_DB = 70.0  # below the loudest point of a clip a spectrogram is black


def contact_sheet(data: TaskData, columns: int = 20) -> Image.Image:
    """The first `columns` examples of each class, a row a class; sounds as spectrograms.

    Returns an RGB image. Classes with fewer examples leave the rest of their row dark.
    """
    picks = [np.flatnonzero(data.y == c)[:columns] for c in range(len(data.labels))]
    rows = [_row(_tiles(data, pick), columns) for pick in picks]
    strip = Image.fromarray(np.concatenate(rows))
    strip = strip.resize((strip.width * _ZOOM, strip.height * _ZOOM), Image.Resampling.NEAREST)
    sheet = Image.new("RGB", (_MARGIN + strip.width, strip.height))
    sheet.paste(strip, (_MARGIN, 0))
    _name_rows(sheet, data.labels)
    return sheet


def _tiles(data: TaskData, pick: NDArray[np.int64]) -> NDArray[np.uint8]:
    """The examples at `pick` as RGB tiles: uint8 [n, height, width, 3]."""
    x = data.x[pick]
    if data.signature.modality == "audio":
        return np.repeat(_spectrograms(x.astype(np.float32))[..., None], 3, axis=3)
    channels = [0, 1, 2] if x.shape[3] == 3 else [0, 0, 0]
    return np.asarray(x[..., channels], np.uint8)


def _spectrograms(clips: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Loudness in dB of clips [n, samples], low frequencies at the bottom: uint8 [n, 64, t]."""
    padded = np.pad(clips, ((0, 0), (0, _WINDOW)))
    frames = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW, axis=1)[:, ::_HOP]
    power = np.abs(np.fft.rfft(frames * np.hanning(_WINDOW))[..., :128]) ** 2
    power = power.reshape(*power.shape[:2], 64, 2).mean(axis=3)
    loudest = power.max(axis=(1, 2), keepdims=True)
    db = 10 * np.log10(np.maximum(power, 1e-12) / np.maximum(loudest, 1e-12))
    shade = np.clip(1.0 + db / _FLOOR_DB, 0.0, 1.0) * 255
    return np.asarray(shade.transpose(0, 2, 1)[:, ::-1], np.uint8)


def _row(tiles: NDArray[np.uint8], columns: int) -> NDArray[np.uint8]:
    """Tiles [n, h, w, 3] side by side, a dark pixel between them: [h + 1, columns * (w + 1), 3]."""
    missing = columns - len(tiles)
    grid = np.pad(tiles, ((0, missing), (0, 1), (0, 1), (0, 0)))
    return grid.transpose(1, 0, 2, 3).reshape(grid.shape[1], -1, 3)


def _name_rows(sheet: Image.Image, labels: tuple[str, ...]) -> None:
    draw = ImageDraw.Draw(sheet)
    height = sheet.height / len(labels)
    for i, label in enumerate(labels):
        middle = (8, (i + 0.5) * height)
        draw.text(middle, label, fill="white", font=ImageFont.load_default(13), anchor="lm")


def main() -> None:
    """Write a sheet of each embedded set into the folder named on the command line."""
    parser = argparse.ArgumentParser(description="Write a contact sheet of every embedded set.")
    parser.add_argument("out_dir", type=Path, help="folder for the PNG files")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--columns", type=int, default=20, help="examples of each class")
    args = parser.parse_args()
    args.out_dir.mkdir(parents=True, exist_ok=True)
    for name in NAMES:
        data, _ = embedded_task(
            name, train_per_class=args.columns, test_per_class=1, seed=args.seed
        )
        contact_sheet(data, args.columns).save(args.out_dir / f"{name}.png")


if __name__ == "__main__":
    main()
