"""Avalanche's strategies as learners of `benchmarks.learning`, set up as its own examples do.

Data lies in memory as float32 tensors and goes through Avalanche's default data loader in this
process; metrics and loggers are off. The model is the paper's MLP with a head per task.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from pathways import LearnConfig, TaskData

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", message="no QP solver found")  # of GEM, not used here
    from avalanche.benchmarks import tensors_benchmark
    from avalanche.models import PNN, MTSimpleMLP
    from avalanche.training import EWC, Naive, PNNStrategy
    from avalanche.training.plugins import EvaluationPlugin

HIDDEN = 128

_TEST_ROWS = 1  # the benchmark wants a test stream; accuracy is measured on whole tensors


class AvalancheLearner:
    """A strategy that is trained on one experience (task) after the other."""

    def __init__(
        self, make: Callable[..., Any], model: nn.Module, experiences: Mapping[str, Any]
    ) -> None:
        """make: the strategy's class, its own arguments bound; experiences by task."""
        self._tasks = list(experiences)
        self._experiences = experiences
        self._model = model
        self._make = make
        self._strategy: Any = None

    def learn(self, task: str, data: TaskData, config: LearnConfig) -> None:
        """Train on the experience of `task`, with the budget `config` gives for `data`."""
        if self._strategy is None:
            self._strategy = self._start(config)
        self._strategy.train_epochs = config.train.epochs_for(len(data))
        self._strategy.train(self._experiences[task], num_workers=0)

    @torch.inference_mode()
    def accuracy(self, task: str, data: TaskData) -> float:
        """Share of `data` answered right when told the task, 0..1."""
        self._model.eval()
        x, y = tensors(data)
        given = self._model(x, self._tasks.index(task)).argmax(dim=1)
        return float((given == y).double().mean())

    def _start(self, config: LearnConfig) -> Any:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="No loggers specified")
            return self._make(
                model=self._model,
                optimizer=torch.optim.Adam(self._model.parameters(), lr=config.train.learning_rate),
                criterion=nn.CrossEntropyLoss(),
                train_mb_size=config.train.batch_size,
                evaluator=EvaluationPlugin(loggers=[]),
            )


def avalanche_learners(
    datas: Mapping[str, TaskData], ewc_strength: float
) -> dict[str, AvalancheLearner]:
    """Naive, EWC and PNN with fresh weights, drawn from torch's global generator."""
    experiences = make_experiences(datas)
    inputs = next(iter(experiences.values())).dataset[0][0].numel()

    def ewc(**arguments: Any) -> Any:
        return EWC(ewc_lambda=ewc_strength, **arguments)

    pnn = PNN(num_layers=1, in_features=inputs, hidden_features_per_column=HIDDEN)
    return {
        "Naive": AvalancheLearner(Naive, mlp(inputs), experiences),
        "EWC": AvalancheLearner(ewc, mlp(inputs), experiences),
        "PNN": AvalancheLearner(PNNStrategy, pnn, experiences),
    }


def mlp(inputs: int) -> nn.Module:
    """The paper's MLP with a head per task: Avalanche's own without its dropout."""
    model: Any = MTSimpleMLP(input_size=inputs, hidden_size=HIDDEN)
    del model.features[2]
    assert not any(isinstance(module, nn.Dropout) for module in model.modules())
    checked: nn.Module = model
    return checked


def make_experiences(datas: Mapping[str, TaskData]) -> dict[str, Any]:
    """One experience a task, labelled in order, over tensors in memory."""
    pairs = [tensors(data) for data in datas.values()]
    benchmark = tensors_benchmark(
        train_tensors=pairs,
        test_tensors=[(x[:_TEST_ROWS], y[:_TEST_ROWS]) for x, y in pairs],
        task_labels=list(range(len(pairs))),
    )
    return dict(zip(datas, benchmark.train_stream, strict=True))


def tensors(data: TaskData) -> tuple[Tensor, Tensor]:
    """(pixels in 0..1 float32 [n, pixels], classes int64 [n])."""
    return torch.from_numpy(data.x).flatten(1).float() / 255, torch.from_numpy(data.y)
