"""Finding how far one may go: searched on some held-out examples, confirmed on others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from pathways.data.task import TaskData
from pathways.revising.proof import Paired
from pathways.revising.revised import Course, Report

Option = TypeVar("Option", int, float)
Made = TypeVar("Made")


@dataclass(frozen=True, kw_only=True)
class Found(Generic[Option, Made]):
    """The option that was settled on."""

    option: Option
    made: Made
    judged: Paired
    """On the examples that had no part in the search."""
    loss: float
    """The larger of the losses on the two parts, as a share of their examples. Above what is
    allowed only if no option that was tried holds; then this is the one that lost least."""


def least_that_holds(
    options: Sequence[Option],
    make: Callable[[Option, Report], Made],
    judge: Callable[[Made, TaskData], Paired],
    held_out: tuple[TaskData, TaskData],
    allowed: float,
    report: Report,
) -> Found[Option, Made]:
    """The first of `options` whose loss is at most `allowed` on both parts of `held_out`.

    options: ascending, such that the loss falls, nearly. They are halved until one is left, by
    the loss on the first part. If the second part does not confirm it, the search goes on above
    it, and ends, at the latest, with the last option.
    """
    course = Course(report, len(options).bit_length())
    tried: dict[int, tuple[Made, float]] = {}
    judged: dict[int, Paired] = {}  # by the second part

    def holds(place: int) -> bool:
        if place not in tried:
            made = make(options[place], course)
            tried[place] = made, judge(made, held_out[0]).loss
        return tried[place][1] <= allowed and place not in judged

    def found(place: int) -> Found[Option, Made]:
        made, loss = tried[place]
        judged[place] = judge(made, held_out[1])
        worse = max(loss, judged[place].loss)
        return Found(option=options[place], made=made, judged=judged[place], loss=worse)

    low = 0
    while low < len(options):
        low = _first(low, len(options), holds) + 1
        for place in filter(holds, sorted(tried)):
            if (confirmed := found(place)).loss <= allowed:
                return confirmed
    return min(map(found, tried), key=lambda each: each.loss)


def _first(low: int, high: int, holds: Callable[[int], bool]) -> int:
    """The first place in low..high-1 that holds, `high` if none does, by halving."""
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle + 1, high)
    return low
