"""What every revision gives, and how it tells how far it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from pathways.frozen import StoredPathway
from pathways.spec import Fact
from pathways.training import Progress

Report = Callable[[Progress], None]


@dataclass(frozen=True, kw_only=True)
class Revised:
    """What came of revising a pathway. Nothing is published yet, and nothing was changed."""

    pathways: tuple[StoredPathway, ...]
    """New versions to publish together; empty if they are not worth it."""
    facts: Mapping[str, Fact]
    """What was measured; also in the new version's `spec.revision.facts`."""
    summary: str
    """One sentence for the user."""


def silent(progress: Progress) -> None:
    """Tell nobody."""


class Course:
    """Reports of several trainings, told as epochs of them all."""

    def __init__(self, report: Report, trainings: int) -> None:
        """trainings: how many there will be, as far as is known."""
        self._report, self._left, self._told = report, trainings, 0

    def __call__(self, progress: Progress) -> None:
        """Tell of an epoch of the training that runs now."""
        self._told += 1
        to_come = progress.epochs - progress.epoch + (self._left - 1) * progress.epochs
        if progress.epoch == progress.epochs:
            self._left = max(1, self._left - 1)
        self._report(replace(progress, epoch=self._told, epochs=self._told + to_come))


def percent(share: float) -> str:
    """A share for a sentence, as in `83.1 %`."""
    return f"{100 * share:.1f} %"
