"""The network's code in another folder, for tests that change it."""

from __future__ import annotations

import shutil
from pathlib import Path

ROOT = Path(__file__).parents[1]


def copy_code(folder: Path) -> Path:
    """Copy all packages of the network to a folder that need not be there; returns it."""
    left_out = shutil.ignore_patterns("__pycache__")
    for package in ("pathways", "dispatcher", "cluster", "deploy"):
        shutil.copytree(ROOT / package, folder / package, ignore=left_out)
    return folder


def change(file: Path, old: str, new: str) -> None:
    """Put other text into a file."""
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")
