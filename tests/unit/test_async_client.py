"""What the awaited client gives to the network is what the blocking one gives."""

from __future__ import annotations

import asyncio

import pytest

from cluster.async_client import AsyncClient
from cluster.client import Client
from cluster.errors import UnknownTask
from cluster.orders import Improve, Prune, Share
from pathways import TaskData
from pathways.data.embedded import embedded_task
from tests.unit.fakes import ControllerMethod, FakeController
from tests.unit.networks import LearnedNetwork


class _Asked(FakeController):
    """A controller that knows a network."""

    def __init__(self, network: LearnedNetwork) -> None:
        super().__init__()
        self.view = ControllerMethod(self, network.view)


@pytest.fixture
def data() -> TaskData:
    return embedded_task("digits", train_per_class=2, test_per_class=1)[0]


async def _asked(controller: _Asked, data: TaskData) -> None:
    controller.loop = asyncio.get_running_loop()
    sen = AsyncClient(controller)
    await sen.improve("digits", data, source="lower", held_out=data)
    await sen.prune("lower", data)
    await sen.learn_sharing("new", data, "fashion", data)
    with pytest.raises(UnknownTask, match="nobody"):
        await sen.prune("nobody", data)


def test_revisions_and_sharing_are_asked_for(network: LearnedNetwork, data: TaskData) -> None:
    controller = _Asked(network)
    asyncio.run(_asked(controller, data))
    (improve, prune, share) = [order for _, _, order in controller.taken]
    assert isinstance(improve, Improve) and improve.source == "lower"
    assert isinstance(prune, Prune)
    assert isinstance(share, Share) and share.partner == "fashion"
    assert [task for task, _, _ in controller.taken] == ["digits", "lower", "new"]
    assert [len(beside) for beside in controller.beside] == [1, 0, 1]


@pytest.mark.parametrize("name", [n for n in vars(Client) if not n.startswith("_")])
def test_it_can_do_what_the_blocking_one_can(name: str) -> None:
    assert name in vars(AsyncClient)
