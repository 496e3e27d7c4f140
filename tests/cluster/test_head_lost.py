"""The head is lost on a cluster whose state Ray keeps in Redis (docs/clusters.md)."""

from __future__ import annotations

import secrets
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from tests.cluster.clusters import RayCluster
from tests.cluster.hosts import Hosts
from tests.cluster.story import REFUSED, SETTINGS, Story, kill_ray, until_ray_runs

pytestmark = pytest.mark.timeout(1200)
_PORT = 6390


@pytest.fixture(scope="module")
def redis(hosts: Hosts) -> Iterator[tuple[str, str]]:
    """Address and password of a Redis outside the cluster that writes down what it is told."""
    if shutil.which("redis-server") is None:
        pytest.skip("not installed: redis-server (`make test-deps`)")
    password = secrets.token_hex(16)
    options = f"--bind {hosts.address} --port {_PORT} --dir {hosts.folder} --appendonly yes"
    server = subprocess.Popen(
        ["redis-server", *options.split(), "--save", "", "--requirepass", password],
        stdout=subprocess.DEVNULL,
    )
    try:
        yield f"{hosts.address}:{_PORT}", password
    finally:
        server.kill()
        server.wait()


@pytest.fixture(scope="module")
def story(hosts: Hosts, redis: tuple[str, str]) -> Story:
    head, *workers = [hosts.add(name) for name in ("head", "one", "two")]
    cluster = RayCluster(hosts, head, workers, SETTINGS, redis)
    story = Story(hosts, cluster, cluster.keys())
    cluster.up()
    until_ray_runs(cluster)
    cluster.sen_up()
    story.learn()
    return story


def test_the_network_comes_back_with_the_head_by_itself(story: Story) -> None:
    cluster = story.cluster
    kill_ray(cluster.head)
    refused = story.asker.ask("digits")
    assert refused.outcome in REFUSED
    assert refused.seconds < 5
    cluster.up("--restart-only")
    took = story.asker.until_all_answer(story.learned, 240)
    print(f"all that was learned answered {took:.0f} s after Ray's head was started again")
    assert story.asker.verified()
