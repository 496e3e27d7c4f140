"""Waiting for a task to be learned, also while the controller starts anew."""

from __future__ import annotations

import asyncio
import logging

import pytest

from cluster.background import Background
from cluster.calls import Patience
from cluster.errors import NetworkUnavailable
from cluster.handle import Seen
from cluster.messages import ExpansionStatus, Stage
from tests.unit.fakes import FakeClock


def test_a_lost_controller_is_waited_for_but_not_for_ever() -> None:
    clock = FakeClock()
    patience, error = Patience(clock), NetworkUnavailable("no answer")
    patience.bear(error)
    clock.now += 29.0
    patience.bear(error)
    clock.now += 2.0
    with pytest.raises(NetworkUnavailable, match="no answer"):
        patience.bear(error)


def test_the_newest_version_seen_is_kept() -> None:
    seen = Seen()
    for version in (None, 7, 3):
        seen.noted(
            ExpansionStatus(request="r", task="t", stage=Stage.LEARNED, network_version=version)
        )
    assert seen.version == 7


def test_background_work_that_fails_is_heard_of(caplog: pytest.LogCaptureFixture) -> None:
    async def fail() -> None:
        raise ValueError("broken")

    async def run() -> None:
        background = Background("somebody")
        await asyncio.wait([background.spawn(fail())])
        await asyncio.sleep(0)

    with caplog.at_level(logging.ERROR):
        asyncio.run(run())
    assert "background work of somebody failed" in caplog.text
