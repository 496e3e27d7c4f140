"""A dispatcher that follows its network: the shell that Serve's replicas and the client's
dispatcher actor share. It hears by long polling what changed, and no more than that; whole router
snapshots it fetches once per node through Ray's object store."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

import ray
from ray.exceptions import ActorUnavailableError, RayError

from cluster.background import Background
from cluster.calls import Patience
from cluster.changes import News, newest
from cluster.code import leave_if_outdated
from cluster.config import SenConfig
from cluster.dispatch import NetworkDispatcher
from cluster.inputs import Batch, Input
from cluster.local import LocalSlot
from cluster.messages import Answer, NetworkActivity, NetworkView
from cluster.meter import Meter
from cluster.names import CONTROLLER, DISPATCHER, NAMESPACE
from cluster.ray_nodes import ON_HEAD
from cluster.running import Results, Running, SlotGone
from cluster.slot import GONE
from cluster.snapshots import Snapshots
from cluster.store import Store
from pathways import Inputs, PathwayId

logger = logging.getLogger(__name__)

_RETRY_S = 0.5
_USE_EVERY_S = 0.5


class FollowingDispatcher:
    """A NetworkDispatcher wired to the controller and to the slots' actors."""

    def __init__(self, config: SenConfig, meter: Meter | None = None) -> None:
        self._controller = ray.get_actor(CONTROLLER, namespace=NAMESPACE)
        self._local = LocalSlot(Store.open(config.store), config.slots)
        running = Running(run_in_slot, self._wake, self._local, meter)
        self._dispatcher = NetworkDispatcher(config.dispatch, running, meter)
        self._snapshots = Snapshots()
        self._background = Background("a dispatcher")
        self._answered = self._unknown = 0  # inputs since the controller was last told

    async def start(self) -> None:
        """Adopt the network as it is, then follow it until the process ends."""
        await self._adopt(await self._controller.view.remote())
        self._background.spawn(self._follow())
        self._background.spawn(self._tell_use())

    @property
    def view(self) -> NetworkView:
        """The network served now."""
        return self._dispatcher.view

    async def answer(
        self, inputs: Sequence[Input] | Batch, task: str | None = None, at_least: int = 0
    ) -> list[Answer]:
        """See NetworkDispatcher.answer; at_least: the network version its caller knows of."""
        await self.until(at_least)
        return self._noted(await self._dispatcher.answer(inputs, task))

    async def answer_together(
        self, elements: Sequence[Sequence[Input]], tasks: Sequence[str] = (), at_least: int = 0
    ) -> list[Answer]:
        """See NetworkDispatcher.answer_together; at_least: as for `answer`."""
        await self.until(at_least)
        return self._noted(await self._dispatcher.answer_together(elements, tasks))

    def _noted(self, answers: list[Answer]) -> list[Answer]:
        self._answered += len(answers)
        self._unknown += sum(answer.unknown for answer in answers)
        return answers

    async def until(self, version: int) -> None:
        """See NetworkDispatcher.until."""
        await self._dispatcher.until(version)

    async def activity(self) -> NetworkActivity:
        """What ran in the whole network since its controller started."""
        return await self._controller.activity.remote()

    async def _follow(self) -> None:
        while True:
            try:
                news: News = await self._controller.watch.remote(self.view.epoch)
                view = newest(self.view, news)
                if view.epoch != self.view.epoch:
                    await self._adopt(view)
            except RayError as error:
                # It restarts by itself; until then the network is served as it was. Besides the
                # call, a snapshot can be lost with the controller that put it there.
                logger.warning("the controller does not answer: %s", error)
                await asyncio.sleep(_RETRY_S)

    async def _adopt(self, view: NetworkView) -> None:
        current = {}
        for key, router in view.routers.items():
            wanted = self._snapshots.to_fetch(key, router)
            fetched = None if wanted is None else await wanted
            current[key] = self._snapshots.updated(key, router, fetched)
        self._dispatcher.adopt(view, current)

    async def _tell_use(self) -> None:
        """Say which pathways ran, now and then: residency needs to know, requests do not wait."""
        while True:
            await asyncio.sleep(_USE_EVERY_S)
            if self._answered or self._dispatcher.used:
                self._controller.used.remote(
                    dict(self._dispatcher.used), self._answered, self._unknown
                )
                self._dispatcher.used.clear()
                self._answered = self._unknown = 0

    async def _wake(self, pathway: PathwayId, *, missing: bool) -> Any:
        patience = Patience()
        while True:
            try:
                return await self._controller.wake.remote(pathway, missing)
            except ActorUnavailableError as error:  # the controller, which starts anew
                patience.bear(error)
                await asyncio.sleep(_RETRY_S)


async def run_in_slot(handle: Any, groups: Sequence[tuple[PathwayId, Inputs]]) -> Results:
    """One call to a slot's actor."""
    try:
        return list(await handle.run.remote(list(groups)))
    except GONE as error:
        raise SlotGone(str(error)) from error


class DispatcherActor(FollowingDispatcher):
    """The dispatcher of Python clients, as an actor."""

    async def __init__(self, config: SenConfig) -> None:  # type: ignore[misc]
        leave_if_outdated()
        super().__init__(config)
        await self.start()


def start_dispatcher(config: SenConfig) -> Any:
    """The clients' dispatcher actor, started if it does not run yet."""
    return (
        ray.remote(DispatcherActor)
        .options(
            name=DISPATCHER,
            namespace=NAMESPACE,
            lifetime="detached",
            get_if_exists=True,
            num_cpus=0,
            max_restarts=-1,
            resources=ON_HEAD,
        )
        .remote(config)
    )
