"""What a running network tells of itself: request ids, and metrics at Ray's endpoint."""

from __future__ import annotations

import re
import time

import httpx
import ray

from cluster.diagnosis import Level, diagnose
from cluster.examining import examine_nodes
from cluster.lifecycle import metrics_urls
from cluster.metrics import METRICS
from deploy.doctor import machine_facts
from deploy.status import read_status
from tests.integration.conftest import Served


def samples(text: str) -> dict[str, float]:
    """Prometheus' text as sums over all labels but ours, `name{label="value"}` → value."""
    found: dict[str, float] = {}
    for name, labels, value in re.findall(r"^(ray_sen_\w+)\{(.*)\} (\S+)$", text, re.MULTILINE):
        ours = re.findall(r'\b(route|status|stage|outcome|task)="([^"]*)"', labels)
        key = name + "".join(f"{{{label}={given}}}" for label, given in sorted(ours))
        found[key] = found.get(key, 0) + float(value)
    return found


def scraped(least: dict[str, float]) -> dict[str, float]:
    """What Prometheus would read, once samples are there and have grown as wanted."""
    (url,) = metrics_urls()
    end = time.monotonic() + 60
    while True:
        found = samples(httpx.get(url).text)
        if all(found.get(key, -1) >= value for key, value in least.items()):
            return found
        assert time.monotonic() < end, (least, found)
        time.sleep(0.5)


def test_every_answer_has_the_id_of_its_request(served: Served) -> None:
    given = served.http.get("/healthz", headers={"X-Request-ID": "mine-17"})
    assert given.headers.get_list("x-request-id") == ["mine-17"]
    made = [served.http.get(p).headers.get_list("x-request-id") for p in ("/v1/tasks", "/none")]
    assert all(len(ids) == 1 and len(ids[0]) > 8 for ids in made)
    assert made[0] != made[1]


def test_metrics_are_where_prometheus_reads_them(served: Served) -> None:
    x = served.test["digits"].x[:3].tolist()
    assert served.http.post("/v1/predict", json={"inputs": x}).status_code == 200
    assert served.http.post("/v1/predict", json={"inputs": []}).status_code == 422
    found = scraped(
        {
            "ray_sen_requests_total{route=/v1/predict}{status=200}": 1,
            "ray_sen_requests_total{route=/v1/predict}{status=422}": 1,
            "ray_sen_request_seconds_count{route=/v1/predict}": 2,
            "ray_sen_stage_seconds_count{stage=parse}": 2,
            "ray_sen_expansions_total{outcome=learned}": 1,
            "ray_sen_expansions_waiting": 0,
        }
    )
    exported = {name for metric in METRICS for name in metric.series}
    assert {key.partition("{")[0] for key in found} <= exported


def test_the_endpoint_belongs_to_the_cluster(served: Served) -> None:
    assert len(metrics_urls()) == len(ray.nodes()) == 1


def test_every_node_is_examined_and_well(served: Served) -> None:
    (facts,) = examine_nodes(served.config.store)
    assert facts.store_error is None
    assert facts.versions["ray"] == ray.__version__
    assert abs(facts.clock_s) <= facts.clock_error_s + 0.1
    found = diagnose([facts], machine_facts(served.config.serve, ours=True))
    told = {finding.check: finding.level for finding in found}
    assert told["versions"] == told[f"store from {facts.node}"] == Level.OK


def test_a_store_that_a_node_cannot_reach_is_told(served: Served) -> None:
    (facts,) = examine_nodes(f"{served.config.store}-elsewhere")
    assert "is no store" in str(facts.store_error)


def test_the_status_is_of_what_runs(served: Served) -> None:
    status = read_status(served.client)
    assert [node.alive for node in status.nodes] == [True]
    assert status.replicas == 1
    assert status.health.startswith("answers in ")
    assert status.network.network_version == served.client.network().registry.version
