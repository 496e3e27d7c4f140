"""What one run gives: one system, learning all tasks in order with one seed in one profile."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from pydantic import TypeAdapter

Accuracies = dict[str, float]
"""Task → share of its test part that is right, 0..1."""


@dataclass(frozen=True, kw_only=True)
class Record:
    """Every figure of one run; times in seconds."""

    profile: str
    system: str
    seed: int
    tasks: tuple[str, ...]
    """In the order in which they were learned."""
    matrix: tuple[Accuracies, ...]
    """After each task, the accuracy of every task learned so far, told the task."""
    few_shot: dict[str, Accuracies]
    """Shots a class (as text) → accuracy of each task learned from so many on top of all earlier
    tasks learned in full; 0 for nothing trained."""
    initial: Accuracies
    """Accuracy of each task in a system that learned nothing."""
    seconds: dict[str, float]
    """To learn each task in full; one figure, `all`, where they are learned together."""
    memory_bytes: int
    """Examples of earlier tasks kept at the end."""
    parameters: dict[str, int]
    """After each task, weights kept for it and all before."""
    test_examples: dict[str, int]
    extra: dict[str, Any]
    """What only this system has to tell."""

    @property
    def last(self) -> Accuracies:
        """Accuracy of every task at the end."""
        return self.matrix[-1]

    def shots(self, shots: int | None, task: str) -> float | None:
        """Accuracy of `task` right after it was learned from so many examples a class (None for
        all); None where that was not measured."""
        if shots is not None:
            return self.few_shot.get(str(shots), {}).get(task)
        if len(self.matrix) == len(self.tasks) and task in self.tasks:
            return self.matrix[self.tasks.index(task)][task]
        return self.last.get(task)

    def restricted(self, tasks: tuple[str, ...]) -> Record:
        """The same run as if only `tasks` had been asked for; the others' rows are left out."""
        kept = tuple(task for task in self.tasks if task in tasks)
        rows = self.matrix
        if len(rows) == len(self.tasks):
            rows = tuple(row for task, row in zip(self.tasks, rows, strict=True) if task in tasks)
        matrix = tuple({task: row[task] for task in kept if task in row} for row in rows)
        return replace(self, tasks=kept, matrix=matrix)

    def to_json(self) -> str:
        """As text; `from_json` gives the same record back."""
        return _ADAPTER.dump_json(self, indent=1).decode()

    @classmethod
    def from_json(cls, text: str) -> Record:
        """Raises ValueError if `text` is not a whole record."""
        return _ADAPTER.validate_json(text)


_ADAPTER: TypeAdapter[Record] = TypeAdapter(Record)
