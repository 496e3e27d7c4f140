"""Whether data are those of a learned task."""

from __future__ import annotations

import dataclasses

import numpy as np

from pathways.data.task import TaskData
from pathways.errors import DataError
from pathways.spec import PathwaySpec

_NAMED = 8  # classes in an error, at most


def data_of(spec: PathwaySpec, data: TaskData, what: str = "data") -> TaskData:
    """Examples of a learned task, their classes numbered as the task numbers them.

    what: the data's name in an error. Raises DataError if they have another signature or other
    classes than the task, or if the task predicts a number.
    """
    task = spec.id.task
    if spec.output != "classes":
        raise DataError(
            f"{task} predicts a number; only tasks with classes are improved, pruned or share units"
        )
    if data.signature != spec.signature:
        raise DataError(
            f"task {task} reads {spec.signature.key}, but the {what} have {data.signature.key}; "
            "give data of that task"
        )
    if strange := sorted(set(data.labels) ^ set(spec.labels)):
        raise DataError(
            f"task {task} has the classes {_named(spec.labels)}; in the {what} {strange[0]!r} is "
            f"{'missing' if strange[0] in spec.labels else 'a class more'}"
        )
    if data.labels == spec.labels:
        return data
    numbers = [spec.labels.index(label) for label in data.labels]
    return dataclasses.replace(data, y=np.array(numbers)[data.y], labels=spec.labels)


def _named(labels: tuple[str, ...]) -> str:
    return ", ".join(labels[:_NAMED]) + (f", … ({len(labels)})" if len(labels) > _NAMED else "")
