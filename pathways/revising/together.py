"""Training a new pathway and an earlier one that it shares units with, at the same time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from pathways.augmentation import vary
from pathways.data.task import TaskData
from pathways.device import own_randomness
from pathways.families import default_family, make_body, plain_options
from pathways.frozen import FrozenPathway
from pathways.ids import PathwayId
from pathways.learning import LearnConfig
from pathways.model import PathwayModel, as_tensor, parameter_count
from pathways.revising.distilling import Taught
from pathways.revising.measuring import trainable
from pathways.revising.narrowing import units_option
from pathways.revising.revised import Report
from pathways.training import Progress, hidden_units, minimise
from pathways.transfer import Source, Transfer, choose_source, initialise_links, warm_start

_QUARTER = 4
"""Of the units a pathway has otherwise: what it gets of its own when it shares."""


@dataclass(frozen=True, kw_only=True)
class Both:
    """The new pathway's model, and the earlier one's as its new version will be."""

    new: PathwayModel
    shared: PathwayModel
    last: Progress
    """The end of training, on the new task."""


class Together:
    """Two tasks' examples and pathways, to be trained at several strengths."""

    def __init__(
        self,
        frozen: FrozenPathway,
        earlier: TaskData,
        new: TaskData,
        config: LearnConfig,
        new_units: int | None,
    ) -> None:
        """frozen: the earlier pathway in service; earlier, new: what is trained on of each task.

        Raises FamilyError if the new pathway's family cannot have fewer units.
        """
        self._frozen, self._config = frozen, config
        self._device = frozen.device
        self._x, self._y = as_tensor(new.x, self._device), as_tensor(new.y, self._device)
        self._classes = len(new.labels)
        self._taught = Taught(frozen, as_tensor(earlier.x, self._device), config.train)
        family = config.family or default_family(new.signature)
        wide = make_body(family, new.signature, config.options)
        option = units_option(family, wide, "it cannot share units")
        units = new_units or max(1, wide.width // _QUARTER)
        options = {**plain_options(wide.options), option: units}
        self._body = partial(make_body, family, new.signature, options)
        self._links = self._linked(new)
        unshared = PathwayModel(wide, self._classes, frozen.model.body.width)
        self.parameters_unshared = parameter_count(unshared)
        """Weights the new pathway would have with all its units and a frozen source."""

    def train(self, strength: float, report: Report) -> Both:
        """Both models, the earlier one held to its former answers with this strength."""
        with own_randomness(self._device):
            torch.manual_seed(self._config.seed)
            new, shared = self._new(), trainable(self._frozen.model)
            # The earlier task's normalisation is kept: the new task's batches have other means.
            shared.eval()
            new.train()
            parameters = [*new.parameters(), *shared.parameters()]
            objective = self._objective(new, shared, strength)
            last = minimise(parameters, objective, self._y, self._config.train, report)
        return Both(new=new, shared=shared, last=last)

    def transfer_from(self, shared: PathwayModel, id: PathwayId) -> Transfer:
        """The links, now from the new version of the earlier pathway."""
        return replace(self._links, source=Source(id=id, body=shared.body, head=shared.head))

    def _new(self) -> PathwayModel:
        width = self._frozen.model.body.width
        model = PathwayModel(self._body(), self._classes, width).to(self._device)
        initialise_links(model, self._links)
        if self._config.warm_start:
            warm_start(model, self._links.source)
        return model

    def _linked(self, new: TaskData) -> Transfer:
        """Links where classes are alike; without any, the shared units are read all the same."""
        source = self._frozen.as_source()
        found = choose_source(new, [source], self._config.threshold)
        return found or Transfer(source=source, links=(), expected_accuracy=0.0)

    def _objective(
        self, new: PathwayModel, shared: PathwayModel, strength: float
    ) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
        config = self._config.train

        def objective(rows: Tensor) -> tuple[Tensor, Tensor]:
            x, y = self._x[rows], self._y[rows]
            if config.augment:
                x = vary(x, new.body.signature)
            own = new.head(hidden_units(new.body, new.body.prepare(x), config))
            lent = hidden_units(shared.body, shared.body.prepare(x), config)
            logits = new.combine(own, lent)
            learned = (1 - config.own_loss_weight) * F.cross_entropy(logits, y)
            learned = learned + config.own_loss_weight * F.cross_entropy(own, y)
            earlier = torch.randint(len(self._taught), (config.batch_size,)).to(x.device)
            forgotten, _ = self._taught.loss(shared, earlier)
            return learned + strength * forgotten, logits

        return objective
