"""The same client for those who await."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cluster import asking
from cluster.asking import Data, Weights
from cluster.calls import awaited
from cluster.client import Given, as_inputs, find_controller, with_inputs
from cluster.config import SenConfig
from cluster.following import start_dispatcher
from cluster.handle import Expansion, Seen
from cluster.inputs import Input
from cluster.messages import (
    Answer,
    ExpansionStatus,
    NetworkActivity,
    NetworkView,
    NewTask,
    Rollout,
    Verification,
)
from cluster.proposals import Proposal
from cluster.publisher import Removal, Rollback
from cluster.registry import PathwayEntry
from pathways import LearnConfig, Modality
from pathways.data.paired import PairedData
from pathways.pairing import PairConfig
from pathways.revising import ImproveConfig, PruneConfig, ShareConfig


async def connect_async(address: str | None = None) -> AsyncClient:
    """An awaited client; see `connect`."""
    return AsyncClient(await asyncio.to_thread(find_controller, address))


class AsyncClient:
    """Client, awaited: the same methods do the same."""

    def __init__(self, controller: Any) -> None:
        self._controller = controller
        self._dispatcher: Any = None
        self._seen = Seen()

    async def learn(
        self,
        task: str,
        data: Data,
        config: LearnConfig | None = None,
        weights: Weights | None = None,
        *,
        target: str | None = None,
    ) -> Expansion:
        """See Client.learn."""
        new = await asyncio.to_thread(asking.learning, task, data, config, weights, target)
        return await self.submit(new)

    async def learn_sharing(
        self,
        task: str,
        data: Data,
        partner: str,
        partner_data: Data,
        config: LearnConfig | None = None,
        how: ShareConfig | None = None,
    ) -> Expansion:
        """See Client.learn_sharing."""
        registry, given = (await self.network()).registry, (partner, partner_data, config, how)
        return await self.submit(
            await asyncio.to_thread(asking.sharing, registry, task, data, *given)
        )

    async def improve(
        self,
        task: str,
        data: Data,
        source: str | None = None,
        held_out: Data | None = None,
        how: ImproveConfig | None = None,
    ) -> Expansion:
        """See Client.improve."""
        registry, given = (await self.network()).registry, (data, source, held_out, how)
        return await self.submit(await asyncio.to_thread(asking.improving, registry, task, *given))

    async def prune(
        self,
        task: str,
        data: Data,
        held_out: Data | None = None,
        how: PruneConfig | None = None,
    ) -> Expansion:
        """See Client.prune."""
        registry, given = (await self.network()).registry, (data, held_out, how)
        return await self.submit(await asyncio.to_thread(asking.pruning, registry, task, *given))

    async def submit(self, new: NewTask) -> Expansion:
        """See Client.submit; `asking` makes what it takes."""
        (expansion,) = await self.learn_many([new])
        return expansion

    async def learn_many(self, tasks: Sequence[NewTask]) -> list[Expansion]:
        """See Client.learn_many."""
        # Handing over large data takes its time.
        submitted = await asyncio.to_thread(self._controller.submit.remote, list(tasks))
        return [Expansion(self._controller, id, self._seen) for id in await awaited(submitted)]

    async def rollback(self, task: str, version: int | None = None) -> Rollback:
        """See Client.rollback."""
        return self._seen.noted(await awaited(self._controller.rollback.remote(task, version)))

    async def remove(self, task: str, *, reroot: bool = False) -> Removal:
        """See Client.remove."""
        return self._seen.noted(await awaited(self._controller.remove.remote(task, reroot)))

    async def proposals(self, most: int = 10) -> list[Proposal]:
        """See Client.proposals."""
        return list(await awaited(self._controller.proposals.remote(most)))

    async def learn_pair(
        self,
        first: str,
        second: str,
        data: PairedData | str | Path,
        configs: LearnConfig | tuple[LearnConfig, LearnConfig] | None = None,
        pairing: PairConfig | None = None,
    ) -> Expansion:
        """See Client.learn_pair."""
        new = await asyncio.to_thread(asking.pairing, first, second, data, configs, pairing)
        return await self.submit(new)

    def expansion(self, request: str) -> Expansion:
        """See Client.expansion."""
        return Expansion(self._controller, request, self._seen)

    async def expansions(self) -> list[ExpansionStatus]:
        """See Client.expansions."""
        return list(await awaited(self._controller.expansions.remote()))

    async def predict(
        self,
        given: Given,
        *,
        task: str | None = None,
        rate_hz: int = 0,
        kind: Modality | None = None,
    ) -> list[Answer]:
        """See Client.predict."""
        inputs = await asyncio.to_thread(as_inputs, given, rate_hz, kind)
        answering = await self._answering()
        answers = answering.answer.remote(inputs, task, self._seen.version)
        return with_inputs(await awaited(answers), inputs)

    async def predict_together(
        self, given: Sequence[Sequence[str | Path | Input]], *, tasks: Sequence[str] = ()
    ) -> list[Answer]:
        """See Client.predict_together."""
        elements = await asyncio.to_thread(lambda: [as_inputs(element) for element in given])
        answering = await self._answering()
        answers = answering.answer_together.remote(elements, tasks, self._seen.version)
        return with_inputs(await awaited(answers), [element[0] for element in elements])

    async def _answering(self) -> Any:
        if self._dispatcher is None:
            self._dispatcher = start_dispatcher(await self.config())
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

    async def rollout(self) -> Rollout:
        """See Client.rollout."""
        return await awaited(self._controller.rollout.remote())

    async def config(self) -> SenConfig:
        """See Client.config."""
        return await awaited(self._controller.config.remote())

    async def verify(self) -> list[Verification]:
        """See Client.verify."""
        return list(await awaited(self._controller.verify.remote()))
