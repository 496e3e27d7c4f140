"""What is recorded and logged of requests, and that Prometheus' names are what they seem."""

from __future__ import annotations

import asyncio
import io
import json
import re
from pathlib import Path
from typing import Any

import httpx
import promql_parser
import pytest
from fastapi import APIRouter, FastAPI, Request

from cluster.meter import STAGES
from cluster.metrics import METRICS, Capped
from deploy.watching import Watch, access_log, note_answers
from tests.unit.fakes import FakeAnswering, FakeMeter
from tests.unit.guarded import ONE, ask, guarded_app, request

ROOT = Path(__file__).parents[2]
DASHBOARD = json.loads((ROOT / "deploy" / "grafana" / "sen.json").read_text(encoding="utf-8"))
OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
SERIES = {name: labels for metric in METRICS for name, labels in metric.series.items()}
ADDED_BY_RAY = {"NodeAddress", "WorkerId", "SessionName", "Component", "Version", "instance"}


def watched(log: io.StringIO, level: str, meter: FakeMeter) -> FastAPI:
    """An application whose routes come from an included router, as the real one's may."""
    app, router = FastAPI(), APIRouter(prefix="/v1")

    @router.get("/tasks/{task}")
    async def task(task: str, request: Request) -> str:
        if task == "broken":
            raise RuntimeError("broken")
        note_answers(request.scope, await FakeAnswering().answer([None, None]))  # type: ignore[list-item]
        return task

    app.include_router(router)
    app.add_middleware(Watch, meter=meter, log=access_log(level, log))
    return app


def lines(log: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.getvalue().splitlines()]


def test_requests_are_counted_by_the_pattern_of_their_path() -> None:
    meter = FakeMeter()
    app = watched(io.StringIO(), "off", meter)
    for path in ("/v1/tasks/a", "/v1/tasks/b", "/v1/tasks/broken", "/v1/none", "/wp-login.php"):
        request(app, "GET", path)
    request(app, "POST", "/v1/tasks/a")
    pattern = "/v1/tasks/{task}"
    assert meter.requests == [
        (pattern, 200),
        (pattern, 200),
        (pattern, 500),
        ("(none)", 404),
        ("(none)", 404),
        (pattern, 405),
    ]


def test_refusals_are_counted_and_parsing_is_timed() -> None:
    meter = FakeMeter()
    app = guarded_app(FakeAnswering(), meter=meter, max_body_bytes=100)
    request(app, "POST", "/v1/predict", json=ONE)
    request(app, "POST", "/v1/predict", content=bytes(101))
    assert [status for _, status in meter.requests] == [200, 413]
    assert meter.requests[0][0] == "/v1/predict"
    assert meter.stages == ["parse"]
    assert "parse" in STAGES


def test_a_client_that_left_is_not_an_error_of_ours() -> None:
    meter, dispatcher = FakeMeter(), FakeAnswering()
    dispatcher.go.clear()
    app = guarded_app(dispatcher, meter=meter)

    async def work(http: httpx.AsyncClient) -> None:
        asking = asyncio.create_task(http.post("/v1/predict", json=ONE))
        while not dispatcher.asked:
            await asyncio.sleep(0)
        asking.cancel()
        await asyncio.wait([asking])

    ask(app, work)
    assert meter.requests == [("/v1/predict", 499)]


def test_a_request_is_one_line_of_json() -> None:
    log = io.StringIO()
    app = watched(log, "info", FakeMeter())
    request(app, "GET", "/v1/tasks/a?secret=1", headers={"X-Request-ID": 'a"\nb'})
    (line,) = lines(log)
    assert line["seconds"] > 0
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4}", line["time"])
    assert {k: line[k] for k in line if k not in ("seconds", "time")} == {
        "level": "INFO",
        "logger": "sen.access",
        "message": "request",
        "method": "GET",
        "route": "/v1/tasks/{task}",
        "status": 200,
        "request_id": 'a"\nb',
        "pathways": 1,
    }


@pytest.mark.parametrize(
    ("level", "logged"),
    [("off", []), ("error", [500]), ("warning", [404, 500]), ("info", [200, 404, 500])],
)
def test_the_level_says_which_requests_are_logged(level: str, logged: list[int]) -> None:
    log = io.StringIO()
    app = watched(log, level, FakeMeter())
    for path in ("/v1/tasks/a", "/v1/none", "/v1/tasks/broken"):
        request(app, "GET", path)
    assert [line["status"] for line in lines(log)] == logged


def test_labels_stay_few() -> None:
    tasks = Capped(2, "(other)")
    assert [tasks.label(t) for t in ("a", "b", "c", "a", "d")] == [
        "a",
        "b",
        "(other)",
        "a",
        "(other)",
    ]


# --- the dashboard and the documentation ----------------------------------------------------


def expressions() -> list[str]:
    panels = [p for panel in DASHBOARD["panels"] for p in (panel, *panel.get("panels", ()))]
    return [target["expr"] for panel in panels for target in panel.get("targets", ())]


def parsed(node: Any) -> list[Any]:
    """A PromQL expression and all expressions in it."""
    inner = [
        getattr(node, name, None) for name in ("expr", "lhs", "rhs", "param", "vector_selector")
    ]
    inner += list(getattr(node, "args", None) or ())
    found = [node]
    for child in inner:
        if child is not None:
            found += parsed(child)
    return found


def test_the_dashboard_asks_for_every_metric() -> None:
    asked = " ".join(expressions())
    for metric in METRICS:
        assert any(name in asked for name in metric.series), metric.name


@pytest.mark.parametrize("expression", expressions())
def test_the_dashboard_asks_for_what_is_exported(expression: str) -> None:
    tree = parsed(promql_parser.parse(expression.replace("$__rate_interval", "1m")))
    selectors = [node for node in tree if isinstance(node, promql_parser.VectorSelector)]
    assert selectors
    labels: set[str] = set(ADDED_BY_RAY)
    for selector in selectors:
        assert selector.name in SERIES
        labels |= set(SERIES[selector.name])
    for selector in selectors:
        for matcher in selector.matchers.matchers:
            assert matcher.name in {*SERIES[selector.name], *ADDED_BY_RAY}
    for node in tree:
        if isinstance(node, promql_parser.AggregateExpr) and node.modifier is not None:
            assert set(node.modifier.labels) <= labels


def test_the_check_sees_through_an_expression() -> None:
    tree = parsed(
        promql_parser.parse("histogram_quantile(0.9, sum by (le) (rate(a[1m]))) / (b or c)")
    )
    names = [n.name for n in tree if isinstance(n, promql_parser.VectorSelector)]
    assert sorted(names) == ["a", "b", "c"]


def test_every_metric_is_documented() -> None:
    for metric in METRICS:
        name = next(iter(metric.series)).removesuffix("_bucket")
        assert f"`{name}`" in OPERATIONS, name
