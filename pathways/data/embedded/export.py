"""The embedded sets as folders of PNG and WAV files, one folder a class: data to try things with.

python -m pathways.data.embedded.export samples --per-class 60
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray
from PIL import Image

from pathways.data.embedded.sets import NAMES, embedded_task
from pathways.data.task import TaskData
from pathways.signature import Signature


def export(data: TaskData, directory: Path) -> int:
    """Write every example to `directory`/class/number.png or .wav; returns how many."""
    for c, label in enumerate(data.labels):
        folder = directory / label.replace("/", "-")
        folder.mkdir(parents=True, exist_ok=True)
        for number, row in enumerate(np.flatnonzero(data.y == c)):
            _write(data.x[row], data.signature, folder / f"{number:04d}")
    return len(data)


def _write(x: NDArray[np.uint8] | NDArray[np.float32], signature: Signature, path: Path) -> None:
    if signature.modality == "image":
        Image.fromarray(x[..., 0]).save(path.with_suffix(".png"))
    else:
        soundfile.write(path.with_suffix(".wav"), x, signature.rate_hz)


def main() -> None:
    """Write the sets that are asked for, a training and a test folder of each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("directory", type=Path, help="where to write")
    parser.add_argument("--tasks", nargs="+", choices=NAMES, default=NAMES, metavar="TASK")
    parser.add_argument("--per-class", type=int, default=60, help="training examples a class")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    for name in given.tasks:
        train, test = embedded_task(
            name,
            train_per_class=given.per_class,
            test_per_class=max(1, given.per_class // 4),
            seed=given.seed,
        )
        written = export(train, given.directory / name / "train")
        written += export(test, given.directory / name / "test")
        print(f"{given.directory / name}: {written} files")


if __name__ == "__main__":
    main()
