"""The client: learn, predict, tasks, network and verify, from Python.

    import cluster
    sen = cluster.connect()
    sen.learn("digits", "digits.npz").wait()
    sen.predict(["seven.png"])[0].label

`Client` blocks, `AsyncClient` is awaited; both ask the same actors. Errors are those of
`pathways`, `dispatcher` and `cluster.errors`, as if they had been raised here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import ray

from cluster.calls import awaited, result
from cluster.config import SenConfig
from cluster.errors import NotRunning
from cluster.following import start_dispatcher
from cluster.handle import Expansion, Seen
from cluster.inputs import Input, inputs_from_array, read_input
from cluster.messages import (
    Answer,
    ExpansionStatus,
    NetworkActivity,
    NetworkView,
    NewPair,
    NewTask,
    Verification,
)
from cluster.names import CONTROLLER, NAMESPACE
from cluster.registry import PathwayEntry
from pathways import LearnConfig, TaskData
from pathways.data.load import load_task
from pathways.data.paired import PairedData
from pathways.data.pairs_file import load_pairs
from pathways.pairing import PairConfig

Given = np.ndarray[Any, np.dtype[Any]] | Sequence[str | Path | Input]
"""A batch as an array, or files and decoded inputs one by one."""


def connect(address: str | None = None) -> Client:
    """A client of the network that runs at `address` (None: the one of this machine).

    Raises NotRunning.
    """
    return Client(_find_controller(address))


async def connect_async(address: str | None = None) -> AsyncClient:
    """An awaited client; see `connect`."""
    return AsyncClient(await asyncio.to_thread(_find_controller, address))


def _find_controller(address: str | None) -> Any:
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
        self, task: str, data: TaskData | str | Path, config: LearnConfig | None = None
    ) -> Expansion:
        """Give the network a task to learn: its data, or a path to it (see `load_task`).

        Returns when the request is durable. Raises TaskNameTaken, DataError (also for a concept
        that no task in service has), StoreError.
        """
        loaded = data if isinstance(data, TaskData) else load_task(data).data
        new = NewTask(task=task, data=loaded, config=config or LearnConfig())
        (expansion,) = self.learn_many([new])
        return expansion

    def learn_many(self, tasks: Sequence[NewTask]) -> list[Expansion]:
        """Give the network tasks to learn in this order, all or none of them: thousands of small
        ones are durable in little more than the time of one.

        Raises as `learn` does, and QueueFull if not all may wait (`expansion.max_waiting`).
        """
        submitted = self._controller.submit.remote(list(tasks))
        return [Expansion(self._controller, request, self._seen) for request in result(submitted)]

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
        pair = new_pair((first, second), data, configs, pairing)
        submitted = self._controller.submit_pair.remote(pair)
        return Expansion(self._controller, result(submitted), self._seen)

    def expansion(self, request: str) -> Expansion:
        """An expansion begun earlier, by its id."""
        return Expansion(self._controller, request, self._seen)

    def predict(self, given: Given, *, task: str | None = None, rate_hz: int = 0) -> list[Answer]:
        """Answers to a batch: an array, or files. rate_hz: the array holds sounds of that rate.

        Raises NoTaskFits, SignatureError, DataError, UnknownTask.
        """
        inputs = as_inputs(given, rate_hz)
        answers = self._answering().answer.remote(inputs, task, self._seen.version)
        return _with_inputs(result(answers), inputs)

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
        return _with_inputs(result(answers), [element[0] for element in elements])

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

    def config(self) -> SenConfig:
        """The settings the network runs with."""
        return result(self._controller.config.remote())

    def expansions(self) -> list[ExpansionStatus]:
        """Expansions since the controller started, oldest first."""
        return list(result(self._controller.expansions.remote()))

    def verify(self) -> list[Verification]:
        """Prove for every task that it is what was learned."""
        return list(result(self._controller.verify.remote()))


class AsyncClient:
    """Like Client, awaited."""

    def __init__(self, controller: Any) -> None:
        self._controller = controller
        self._dispatcher: Any = None
        self._seen = Seen()

    async def learn(
        self, task: str, data: TaskData | str | Path, config: LearnConfig | None = None
    ) -> Expansion:
        """See Client.learn."""
        if not isinstance(data, TaskData):
            data = (await asyncio.to_thread(load_task, data)).data
        # Handing over large data takes its time.
        new = NewTask(task=task, data=data, config=config or LearnConfig())
        submitted = await asyncio.to_thread(self._controller.submit.remote, [new])
        (request,) = await awaited(submitted)
        return Expansion(self._controller, request, self._seen)

    async def learn_pair(
        self,
        first: str,
        second: str,
        data: PairedData | str | Path,
        configs: LearnConfig | tuple[LearnConfig, LearnConfig] | None = None,
        pairing: PairConfig | None = None,
    ) -> Expansion:
        """See Client.learn_pair."""
        pair = await asyncio.to_thread(new_pair, (first, second), data, configs, pairing)
        submitted = await asyncio.to_thread(self._controller.submit_pair.remote, pair)
        return Expansion(self._controller, await awaited(submitted), self._seen)

    def expansion(self, request: str) -> Expansion:
        """See Client.expansion."""
        return Expansion(self._controller, request, self._seen)

    async def expansions(self) -> list[ExpansionStatus]:
        """See Client.expansions."""
        return list(await awaited(self._controller.expansions.remote()))

    async def predict(
        self, given: Given, *, task: str | None = None, rate_hz: int = 0
    ) -> list[Answer]:
        """See Client.predict."""
        inputs = await asyncio.to_thread(as_inputs, given, rate_hz)
        answering = await self._answering()
        answers = answering.answer.remote(inputs, task, self._seen.version)
        return _with_inputs(await awaited(answers), inputs)

    async def predict_together(
        self, given: Sequence[Sequence[str | Path | Input]], *, tasks: Sequence[str] = ()
    ) -> list[Answer]:
        """See Client.predict_together."""
        elements = await asyncio.to_thread(lambda: [as_inputs(element) for element in given])
        answering = await self._answering()
        answers = answering.answer_together.remote(elements, tasks, self._seen.version)
        return _with_inputs(await awaited(answers), [element[0] for element in elements])

    async def _answering(self) -> Any:
        if self._dispatcher is None:
            config = await awaited(self._controller.config.remote())
            self._dispatcher = start_dispatcher(config)
        return self._dispatcher

    async def tasks(self) -> list[PathwayEntry]:
        """See Client.tasks."""
        return (await self.network()).registry.entries()

    async def network(self) -> NetworkView:
        """See Client.network."""
        return await awaited(self._controller.view.remote())

    async def activity(self) -> NetworkActivity:
        """See Client.activity."""
        return await awaited(self._controller.activity.remote())

    async def verify(self) -> list[Verification]:
        """See Client.verify."""
        return list(await awaited(self._controller.verify.remote()))


def new_pair(
    tasks: tuple[str, str],
    data: PairedData | str | Path,
    configs: LearnConfig | tuple[LearnConfig, LearnConfig] | None = None,
    pairing: PairConfig | None = None,
) -> NewPair:
    """Two tasks to learn together; raises DataError."""
    return NewPair(
        tasks=tasks,
        data=data if isinstance(data, PairedData) else load_pairs(data).data,
        configs=configs if isinstance(configs, tuple) else (configs or LearnConfig(),) * 2,
        pairing=pairing or PairConfig(),
    )


def as_inputs(given: Given, rate_hz: int = 0) -> list[Input]:
    """Inputs from an array or from files; raises DataError."""
    if isinstance(given, np.ndarray):
        return inputs_from_array(given, rate_hz)
    return [g if isinstance(g, Input) else read_input(g) for g in given]


def _with_inputs(answers: Sequence[Answer], inputs: Sequence[Input]) -> list[Answer]:
    """Answers that know what they answer; inputs do not travel back for it."""
    return [replace(a, given=given) for a, given in zip(answers, inputs, strict=True)]
