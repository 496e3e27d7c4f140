"""Progressive neural networks (Rusu et al. 2016, arXiv:1606.04671)."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.paper.profiles import Profile
from benchmarks.paper.systems.base import Report, System, silent
from benchmarks.paper.systems.network import (
    base_body,
    check_learned,
    check_new,
    check_same,
    fit,
    seeded,
)
from pathways import Signature, TaskData, divide
from pathways.families import Body
from pathways.model import as_tensor, freeze, hidden_in_batches, parameter_count


class Adapter(nn.Module):
    """The lateral connections into a column's output, U σ(V [α₁h₁, α₂h₂, …]) (eq. 2).

    V projects onto as many units as one column has hidden ones (n_{i−1} of eq. 2).
    """

    def __init__(self, width: int, columns: int, classes: int) -> None:
        super().__init__()
        self.scales = nn.Parameter(torch.randn(columns))
        self.project = nn.Linear(width * columns, width)
        self.output = nn.Linear(width, classes)

    def forward(self, hidden: Tensor) -> Tensor:
        """What to add to the logits [n, classes], from hidden units [n, columns, width]."""
        scaled = (hidden * self.scales[:, None]).flatten(1)
        logits: Tensor = self.output(self.project(scaled).relu())
        return logits


class Column(nn.Module):
    """One task's network, with lateral connections if there are earlier columns.

    The base model has one hidden layer above the input, so the only layer with a hidden layer
    of earlier columns below it is the output.
    """

    def __init__(self, body: Body, classes: int, columns: int) -> None:
        super().__init__()
        self.body = body
        self.head = nn.Linear(body.width, classes)
        self.adapter = Adapter(body.width, columns, classes) if columns else None

    def combine(self, own: Tensor, lateral: Tensor | None) -> Tensor:
        """Logits from own hidden units [n, width] and earlier columns' [n, columns, width]."""
        logits: Tensor = self.head(own)
        if self.adapter is None:
            return logits
        assert lateral is not None, "a later column needs the earlier columns' hidden units"
        added: Tensor = self.adapter(lateral)
        return logits + added


class Pnn(System):
    """A new column for every task; the earlier ones are frozen."""

    def __init__(self, profile: Profile, seed: int) -> None:
        super().__init__(profile, seed)
        self.columns: dict[str, Column] = {}
        self._signature: Signature | None = None

    @property
    def parameters(self) -> int:
        """Weights of all columns with their adapters."""
        return sum(map(parameter_count, self.columns.values()))

    def learn(self, task: str, data: TaskData, shots: int | None, report: Report = silent) -> None:
        check_new(task, list(self.columns))
        check_same(data.signature, self._signature or data.signature)
        config = self.profile.config(task, shots, self.seed)
        self._signature = data.signature
        with seeded(self.seed, task):
            body = base_body(data.signature, config)
            column = Column(body, len(data.labels), len(self.columns))
            if shots != 0:
                examples = divide(data, config).train
                x, y = as_tensor(examples.x), as_tensor(examples.y)
                lateral = hidden_units(list(self.columns.values()), x)
                prepared = body.prepare(x)

                def objective(rows: Tensor) -> tuple[Tensor, Tensor]:
                    lent = None if lateral is None else lateral[rows]
                    logits = column.combine(body(prepared[rows]), lent)
                    return F.cross_entropy(logits, y[rows]), logits

                fit(column, objective, y, config.train, report)
        freeze(column)
        self.columns[task] = column

    @torch.inference_mode()
    def probabilities(self, task: str, data: TaskData) -> NDArray[np.float32]:
        check_learned(task, list(self.columns))
        columns = list(self.columns.values())
        earlier = columns[: list(self.columns).index(task)]
        column, x = self.columns[task], as_tensor(data.x)
        own = hidden_in_batches(column.body, column.body.prepare(x))
        return column.combine(own, hidden_units(earlier, x)).softmax(dim=1).numpy()


def hidden_units(columns: list[Column], x: Tensor) -> Tensor | None:
    """Hidden units [n, columns, width] of raw inputs; None if there are no columns."""
    if not columns:
        return None
    return torch.stack(
        [hidden_in_batches(column.body, column.body.prepare(x)) for column in columns], dim=1
    )
