"""SEN itself: the product's `learn`, its frozen pathways and its dispatcher."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.paper.active import active_share
from benchmarks.paper.systems.base import Report, System, silent
from benchmarks.paper.untold import Data, sen_untold
from pathways import (
    FrozenPathway,
    LearnConfig,
    PathwayId,
    StoredPathway,
    TaskData,
    learn,
    load_source,
)


class Sen(System):
    """Pathways learned one after another, every earlier one of the same kind a possible source."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._stored: dict[str, StoredPathway] = {}
        self._first_answers: dict[str, NDArray[np.float32]] = {}

    def config(self, task: str, shots: int | None) -> LearnConfig:
        """How a task is learned."""
        return self.profile.config(task, shots, self.seed)

    def learn(self, task: str, data: TaskData, shots: int | None, report: Report = silent) -> None:
        sources = [
            load_source(stored)
            for stored in self._stored.values()
            if stored.spec.signature == data.signature
        ]
        self._stored[task] = learn(PathwayId(task), data, sources, self.config(task, shots), report)

    def probabilities(self, task: str, data: TaskData) -> NDArray[np.float32]:
        answers = self.pathway(task).probabilities(data.x)
        self._first_answers.setdefault(task, answers)
        return answers

    @property
    def parameters(self) -> int:
        """Weights of all pathways."""
        return sum(stored.spec.parameters for stored in self._stored.values())

    def pathway(self, task: str) -> FrozenPathway:
        """The frozen pathway of a learned task, built anew from its stored bytes."""
        stored = self._stored[task]
        source = stored.spec.source
        return FrozenPathway.load(stored, self._stored[source.task] if source else None)

    def extras(self, data: Data) -> dict[str, Any]:
        """Links, active shares, answers that changed, and what the dispatcher reaches."""
        network = {task: self.pathway(task) for task in self._stored}
        images = {
            task: parts for task, parts in data.items() if parts[0].signature.modality == "image"
        }
        return {
            "links": {task: self._links(task) for task in network},
            "active_share": {
                task: active_share(pathway, data[task][1], network.values())
                for task, pathway in network.items()
            },
            "changed_answers": {task: self._changed(task, data[task][1]) for task in network},
            "untold": sen_untold(network, images, self.seed, self.profile.dispatching),
        }

    def _links(self, task: str) -> list[dict[str, Any]]:
        spec = self._stored[task].spec
        if spec.source is None:
            return []
        labels = self._stored[spec.source.task].spec.labels
        return [
            {
                "source_task": spec.source.task,
                "source_label": labels[link.source_class],
                "target_label": spec.labels[link.target_class],
                "similarity": link.similarity,
            }
            for link in spec.links
        ]

    def _changed(self, task: str, test: TaskData) -> int:
        """Test inputs answered otherwise, in any bit, than right after the task was learned."""
        now = self.pathway(task).probabilities(test.x)
        return int((now != self._first_answers[task]).any(axis=1).sum())
