"""What a second modality gains, in asking and in learning.

    python -m benchmarks.modalities --data-dir DIR --out modalities.json

MNIST and the Free Spoken Digit Dataset below DIR, or without it the embedded sets. Noise is added
to test inputs only. The settings of the product were chosen on parts of the training data.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from benchmarks.machine import machine
from benchmarks.modalities.asking import Levels, Right, measure
from benchmarks.modalities.data import load_digits
from benchmarks.modalities.learning import Budget, Learned, compare
from benchmarks.modalities.report import asking_table, beaten, learning_table
from pathways import LearnConfig, TrainConfig


def main() -> None:
    """Measure, print, and write JSON if asked to."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-dir", type=Path, help="real data; the embedded sets without it")
    parser.add_argument("--only", choices=["asking", "learning"], help="one half alone")
    parser.add_argument("--pairings", type=int, default=Levels.pairings)
    parser.add_argument("--seeds", type=int, default=Budget.seeds)
    parser.add_argument("--epochs", type=int, default=TrainConfig.epochs)
    parser.add_argument("--out", type=Path, help="write the result as JSON here")
    given = parser.parse_args()
    torch.set_num_threads(1)
    result = run(given.data_dir, given.only, given.pairings, given.seeds, given.epochs)
    if given.out:
        given.out.write_text(json.dumps(result, indent=1), encoding="utf-8")


def run(
    data_dir: Path | None, only: str | None, pairings: int, seeds: int, epochs: int
) -> dict[str, Any]:
    """Both halves, printed as they come."""
    digits, console = load_digits(data_dir), Console()
    how = LearnConfig(train=TrainConfig(epochs=epochs))
    levels, budget = replace(Levels(), pairings=pairings), replace(Budget(), seeds=seeds)
    asked: list[Right] = []
    learned: list[Learned] = []
    if only != "asking":
        learned = compare(digits, how, budget)
        console.print(learning_table(learned))
    if only != "learning":
        asked = measure(digits, how, levels)
        console.print(asking_table(asked))
    return {
        "machine": machine(),
        "config": {
            "data": "real" if data_dir else "embedded",
            "learn": asdict(how),
            "levels": asdict(levels),
            "budget": asdict(budget),
        },
        "learning": [asdict(each) for each in learned],
        "asking": [{**asdict(each), "beats_either": beaten(each)} for each in asked],
    }
