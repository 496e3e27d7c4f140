"""The client: learn, predict, tasks, network and verify, from Python.

    import cluster
    sen = cluster.connect()
    sen.learn("digits", "digits.npz").wait()
    sen.predict(["seven.png"])[0].label

`Client` blocks; its like that is awaited is in async_client.py, and asks the same actors. Errors
are those of `pathways`, `dispatcher` and `cluster.errors`, as if they had been raised here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import ray

from cluster import asking
from cluster.asking import Data, Weights, improving, learning, pruning, sharing
from cluster.calls import result
from cluster.config import SenConfig
from cluster.errors import NotRunning
from cluster.following import start_dispatcher
from cluster.handle import Expansion, Seen
from cluster.inputs import Input, inputs_from_array, read_inputs
from cluster.messages import (
    Answer,
    ExpansionStatus,
    NetworkActivity,
    NetworkView,
    NewTask,
    Rollout,
    Verification,
)
from cluster.names import CONTROLLER, NAMESPACE
from cluster.proposals import Proposal
from cluster.publisher import Removal, Rollback
from cluster.registry import PathwayEntry
from pathways import LearnConfig, Modality
from pathways.data.paired import PairedData
from pathways.pairing import PairConfig
from pathways.revising import ImproveConfig, PruneConfig, ShareConfig

Given = np.ndarray[Any, np.dtype[Any]] | Sequence[str | Path | Input]
"""A batch as an array, or files and decoded inputs one by one."""


def connect(address: str | None = None) -> Client:
    """A client of the network that runs at `address` (None: the one of this machine).

    Raises NotRunning.
    """
    return Client(find_controller(address))


def find_controller(address: str | None = None) -> Any:
    """The handle of the controller of the network at `address`; see `connect`."""
    if not ray.is_initialized():
        from cluster.lifecycle import join

        join(address)
    try:
        return ray.get_actor(CONTROLLER, namespace=NAMESPACE)
    except ValueError as error:
        raise NotRunning("no network runs in this Ray cluster; start one with `sen up`") from error


class Client:
    """Asks a running network and waits for its answers."""

    def __init__(self, controller: Any) -> None:
        self._controller = controller
        self._dispatcher: Any = None
        self._seen = Seen()

    def learn(
        self,
        task: str,
        data: Data,
        config: LearnConfig | None = None,
        weights: Weights | None = None,
        *,
        target: str | None = None,
    ) -> Expansion:
        """Give the network a task to learn: its data, or a path to it (see `load_task`).

        target: the column at that path which holds a number to predict.
        weights: a safetensors file that its family starts from (torchvision, a module of your own).
        Returns when the request is durable. Raises TaskNameTaken, DataError (also for a concept
        that no task in service has), FamilyError, StoreError.
        """
        return self.submit(learning(task, data, config, weights, target))

    def learn_sharing(
        self,
        task: str,
        data: Data,
        partner: str,
        partner_data: Data,
        config: LearnConfig | None = None,
        how: ShareConfig | None = None,
    ) -> Expansion:
        """Learn a task that trains units of a known one too, within a loss to it (§3.6, graceful
        forgetting). partner_data: of the known task, to measure that loss.

        Raises as `learn` does, UnknownTask and TaskInUse.
        """
        registry = self.network().registry
        return self.submit(sharing(registry, task, data, partner, partner_data, config, how))

    def improve(
        self,
        task: str,
        data: Data,
        source: str | None = None,
        held_out: Data | None = None,
        how: ImproveConfig | None = None,
    ) -> Expansion:
        """Make a version of a known task that reads a later one, by default the one that promises
        most, and is trained on further (§3.3, backward transfer). It is put into service only if
        it is better on held-out data. Raises UnknownTask, TaskInUse, DataError, StoreError."""
        registry = self.network().registry
        return self.submit(improving(registry, task, data, source, held_out, how))

    def prune(
        self,
        task: str,
        data: Data,
        held_out: Data | None = None,
        how: PruneConfig | None = None,
    ) -> Expansion:
        """Make a smaller version of a known task within a stated loss (§3.6). Raises as `improve`
        does."""
        return self.submit(pruning(self.network().registry, task, data, held_out, how))

    def submit(self, new: NewTask) -> Expansion:
        """Give the network one task to learn or to change."""
        (expansion,) = self.learn_many([new])
        return expansion

    def learn_many(self, tasks: Sequence[NewTask]) -> list[Expansion]:
        """Give the network tasks to learn in this order, all or none of them: thousands of small
        ones are durable in little more than the time of one.

        Raises as `learn` does, and QueueFull if not all may wait (`expansion.max_waiting`).
        """
        submitted = self._controller.submit.remote(list(tasks))
        return [Expansion(self._controller, request, self._seen) for request in result(submitted)]

    def rollback(self, task: str, version: int | None = None) -> Rollback:
        """Put an earlier version of a task back into service: by default the one that the version
        in service was made of. Raises UnknownTask, VersionUnknown, TaskInUse."""
        return self._seen.noted(result(self._controller.rollback.remote(task, version)))

    def remove(self, task: str, *, reroot: bool = False) -> Removal:
        """Remove a task for good: its versions, their files, what the router learned of it.

        reroot: tasks that read its hidden units get a version with a copy of them; else it is
        refused while there are any. Raises UnknownTask, TaskInUse.
        """
        return self._seen.noted(result(self._controller.remove.remote(task, reroot)))

    def proposals(self, most: int = 10) -> list[Proposal]:
        """Pairs for `improve` that promise most, guessed from what the router knows."""
        return list(result(self._controller.proposals.remote(most)))

    def learn_pair(
        self,
        first: str,
        second: str,
        data: PairedData | str | Path,
        configs: LearnConfig | tuple[LearnConfig, LearnConfig] | None = None,
        pairing: PairConfig | None = None,
    ) -> Expansion:
        """Give the network two tasks to learn together, from inputs that were shown together, or a
        path to them (see `load_pairs`: `first` is the task of images, `second` that of sounds).

        configs: for both, or for each. Both come into service at once. Raises as `learn` does, and
        DataError where they share too few concepts to agree on.
        """
        return self.submit(asking.pairing(first, second, data, configs, pairing))

    def expansion(self, request: str) -> Expansion:
        """An expansion begun earlier, by its id."""
        return Expansion(self._controller, request, self._seen)

    def predict(
        self,
        given: Given,
        *,
        task: str | None = None,
        rate_hz: int = 0,
        kind: Modality | None = None,
    ) -> list[Answer]:
        """Answers to a batch: an array, or files, of which a CSV file has an input a row.

        An array holds images, with `rate_hz` sounds of that rate, with kind="table" rows
        [n, columns], with kind="text" token ids [n, tokens]. Raises NoTaskFits,
        SignatureError, DataError, UnknownTask.
        """
        inputs = as_inputs(given, rate_hz, kind)
        answers = self._answering().answer.remote(inputs, task, self._seen.version)
        return with_inputs(result(answers), inputs)

    def predict_together(
        self, given: Sequence[Sequence[str | Path | Input]], *, tasks: Sequence[str] = ()
    ) -> list[Answer]:
        """An answer to every query: an image and a sound of the same thing, whose evidence is
        merged over the concepts that their tasks share, or one of them alone.

            sen.predict_together([("seven.png", "seven.wav")])[0].label

        tasks: ask these two, one of images and one of sounds. Raises DataError for more than two
        inputs or two of one kind, and as `predict` does.
        """
        elements = [as_inputs(element) for element in given]
        answers = self._answering().answer_together.remote(
            elements, list(tasks), self._seen.version
        )
        return with_inputs(result(answers), [element[0] for element in elements])

    def _answering(self) -> Any:
        if self._dispatcher is None:
            self._dispatcher = start_dispatcher(self.config())
        return self._dispatcher

    def tasks(self) -> list[PathwayEntry]:
        """The pathways in service, in the order of learning."""
        return self.network().registry.entries()

    def network(self) -> NetworkView:
        """The network now: tasks, links, where pathways are resident."""
        return result(self._controller.view.remote())

    def activity(self) -> NetworkActivity:
        """How often each task's pathway ran since the controller started."""
        return result(self._controller.activity.remote())

    def rollout(self) -> Rollout:
        """Which code the network runs, and how many slots still run other code."""
        return result(self._controller.rollout.remote())

    def config(self) -> SenConfig:
        """The settings the network runs with."""
        return result(self._controller.config.remote())

    def expansions(self) -> list[ExpansionStatus]:
        """Expansions since the controller started, oldest first."""
        return list(result(self._controller.expansions.remote()))

    def verify(self) -> list[Verification]:
        """Prove for every task that it is what was learned."""
        return list(result(self._controller.verify.remote()))


def as_inputs(given: Given, rate_hz: int = 0, kind: Modality | None = None) -> list[Input]:
    """Inputs from an array or from files; raises DataError."""
    if isinstance(given, np.ndarray):
        return inputs_from_array(given, rate_hz, kind)
    return [i for g in given for i in ([g] if isinstance(g, Input) else read_inputs(g))]


def with_inputs(answers: Sequence[Answer], inputs: Sequence[Input]) -> list[Answer]:
    """Answers that know what they answer; inputs do not travel back for it."""
    return [replace(a, given=given) for a, given in zip(answers, inputs, strict=True)]
