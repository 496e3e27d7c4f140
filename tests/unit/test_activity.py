"""Counts of what ran, summed over dispatchers."""

from __future__ import annotations

from fastapi import FastAPI
from fastapi.testclient import TestClient

from cluster.activity import Activity
from cluster.async_client import AsyncClient
from cluster.config import SenConfig
from cluster.messages import NetworkActivity
from deploy.activity import router
from deploy.served import Served
from pathways import PathwayId
from tests.unit.fakes import FakeAnswering, FakeController

DIGITS, NEWER, LOWER = PathwayId("digits", 1), PathwayId("digits", 2), PathwayId("lower", 1)


def test_nothing_ran_yet() -> None:
    told = Activity().report(3, [])
    assert (told.network_version, told.rows, told.unknown) == (3, 0, 0)
    assert told.activations == {}
    assert told.resident == ()


def test_what_dispatchers_tell_adds_up_over_versions_of_a_task() -> None:
    activity = Activity()
    activity.add({DIGITS: 5, LOWER: 2}, inputs=6, unknown=1)
    activity.add({NEWER: 3}, inputs=3, unknown=0)
    activity.add({}, inputs=2, unknown=2)
    told = activity.report(4, [])
    assert told.activations == {"digits": 8, "lower": 2}
    assert (told.rows, told.unknown) == (11, 3)


def test_a_report_does_not_change_later() -> None:
    activity = Activity()
    activity.add({DIGITS: 1}, inputs=1, unknown=0)
    told = activity.report(1, [])
    activity.add({DIGITS: 1}, inputs=1, unknown=0)
    assert told.activations == {"digits": 1}


def test_residents_are_named_in_order() -> None:
    assert Activity().report(1, [LOWER, DIGITS]).resident == ("digits@1", "lower@1")


def test_over_http_the_counts_are_what_the_network_says() -> None:
    class Told(FakeAnswering):
        async def activity(self) -> NetworkActivity:
            counted = Activity()
            counted.add({DIGITS: 5}, inputs=6, unknown=1)
            return counted.report(4, [DIGITS])

    app = FastAPI()
    client = AsyncClient(FakeController())
    app.state.served = Served(config=SenConfig(store="none"), dispatcher=Told(), client=client)
    app.include_router(router)
    assert TestClient(app).get("/v1/network/activity").json() == {
        "network_version": 4,
        "activations": {"digits": 5},
        "rows": 6,
        "unknown": 1,
        "resident": ["digits@1"],
    }
