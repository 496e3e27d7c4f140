"""The dispatcher: for every input the one or two pathways that are to answer it.

Immutable, one for each network version, so that replicas may share it and swap it whole.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dispatcher.errors import NoTaskFits, RouterError
from dispatcher.features import Features
from dispatcher.select import SelectConfig, select
from dispatcher.snapshot import Snapshot


@dataclass(frozen=True)
class Decision:
    """Who answers one input."""

    tasks: tuple[str, ...]
    """One or two task ids, most probable first."""

    weights: tuple[float, ...]
    """p(task | x) among the chosen, summing to 1."""

    novelty: float
    """Distance to a task over that task's limit (see Routes); above 1 means unknown."""

    @property
    def unknown(self) -> bool:
        """Whether the input is unlike everything learned."""
        return self.novelty > 1.0


class Dispatcher:
    """Features and a router snapshot for each signature."""

    def __init__(
        self,
        routes: Mapping[str, tuple[Features, Snapshot]],
        config: SelectConfig | None = None,
        away: Collection[str] = (),
    ) -> None:
        """`away`: tasks that cannot be served now, passed over as if they were not known."""
        for key, (features, snapshot) in routes.items():
            if features.dim != snapshot.dim:
                raise RouterError(
                    f"{key}: features of length {features.dim} but a snapshot over {snapshot.dim}"
                )
        self._routes = dict(routes)
        self._config = config or SelectConfig()
        self._away = frozenset(away)
        self._masks: dict[str, NDArray[np.bool_]] = {}  # made when first wanted

    def without(self, tasks: Collection[str]) -> Dispatcher:
        """The same, passing over these tasks too."""
        return Dispatcher(self._routes, self._config, self._away | set(tasks))

    @property
    def signatures(self) -> tuple[str, ...]:
        """Keys of the signatures it can route, sorted."""
        return tuple(sorted(self._routes))

    def decide(self, key: str, x: NDArray[np.generic]) -> list[Decision]:
        """Choose the pathways of each input of a batch [n, *shape] of signature `key`.

        Raises NoTaskFits for an unknown signature and FeatureError for a wrong shape.
        """
        if key not in self._routes:
            raise NoTaskFits(
                f"no task of signature {key!r} is known; known are {', '.join(self.signatures)}"
            )
        features, snapshot = self._routes[key]
        routes = snapshot.route(features(x), self._usable(key))
        chosen = select(routes.tasks, routes.probabilities, self._config)
        rows = zip(
            chosen.indices.tolist(), chosen.weights.tolist(), routes.novelty.tolist(), strict=True
        )
        return [_decision(snapshot.tasks, *row) for row in rows]

    def _usable(self, key: str) -> NDArray[np.bool_] | None:
        """[T] the tasks of a signature that are not away; None where all are here."""
        if not self._away:
            return None
        if key not in self._masks:
            positions = self._routes[key][1].positions
            usable = np.ones(len(positions), dtype=np.bool_)
            usable[[positions[task] for task in self._away if task in positions]] = False
            self._masks[key] = usable
        if not self._masks[key].any():
            raise NoTaskFits(f"every task of signature {key!r} is out of service")
        return self._masks[key]


def _decision(
    tasks: Sequence[str], indices: list[int], weights: list[float], novelty: float
) -> Decision:
    active = [i for i in indices if i >= 0]
    return Decision(tuple(tasks[i] for i in active), tuple(weights[: len(active)]), novelty)


def rows_by_task(decisions: Sequence[Decision]) -> dict[str, list[int]]:
    """For each active task the rows it is to answer: one call a pathway, not one a request.

    Unknown inputs activate none.
    """
    groups: dict[str, list[int]] = {}
    for row, decision in enumerate(decisions):
        for task in () if decision.unknown else decision.tasks:
            groups.setdefault(task, []).append(row)
    return groups
