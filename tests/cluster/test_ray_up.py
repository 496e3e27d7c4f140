"""The story of docs/clusters.md, from `ray up` to `ray down`, told on hosts of this machine.

The tests are its chapters: each goes on where the one before it ended.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.asking import TASKS, Asker
from tests.cluster.clusters import RayCluster
from tests.cluster.hosts import Hosts, until
from tests.cluster.story import (
    REFUSED,
    SETTINGS,
    Story,
    check,
    has_ray,
    kill_ray,
    node_of,
    until_ray_runs,
)

pytestmark = pytest.mark.timeout(1200)


@pytest.fixture(scope="module")
def story(hosts: Hosts) -> Iterator[Story]:
    head, *workers = [hosts.add(name) for name in ("head", "one", "two")]
    cluster = RayCluster(hosts, head, workers, SETTINGS)
    yield Story(hosts, cluster, cluster.keys())


def test_ray_up_brings_up_every_host_with_the_code_that_is_here(story: Story) -> None:
    cluster = story.cluster
    cluster.up()
    until_ray_runs(cluster)
    told = cluster.on_head(".venv/bin/python -P -c 'import deploy; print(deploy.__path__)'")
    assert f"['{story.hosts.home}/sen/deploy']" in told


def test_sen_up_serves_a_network_that_nobody_may_ask_without_a_key(story: Story) -> None:
    assert "0 tasks served" in story.cluster.sen_up()
    assert Asker(story.cluster.url, "none").ask("digits").outcome == "401"


def test_tasks_are_learned_on_several_hosts_and_answered(story: Story) -> None:
    assert len(story.learn()) == 2
    until(lambda: len(story.asker.slots()) == 3, 60, "there are pathways on all three hosts")


def test_requests_go_on_while_a_host_is_cut_off(story: Story) -> None:
    asker, lost = story.asker, story.cluster.workers[0]
    node = node_of(lost)
    assert node in asker.slots()
    with asker.asking() as asked:
        lost.cut()
        until(lambda: node not in asker.slots(), 90, "the host that was cut off is given up")
        asker.until_all_answer(story.learned, 60)
    held = [pathway for slot in asker.slots().values() for pathway in slot]
    assert {pathway.partition("@")[0] for pathway in held} == set(TASKS), "woken elsewhere"
    # One may have been under way in a replica on that host.
    check(asked, story, hanging=1, refused=True)


def test_a_host_that_is_back_is_used_again_without_anybody_s_doing(story: Story) -> None:
    asker, back = story.asker, story.cluster.workers[0]
    with asker.asking() as asked:
        back.join()
        until(lambda: len(asker.slots()) == 3, 180, "the host that is back has its slots")
    assert node_of(back) in asker.slots()
    check(asked, story)


def test_a_host_that_is_added_takes_slots_over(story: Story) -> None:
    asker, cluster = story.asker, story.cluster
    added = story.hosts.add("three")
    with asker.asking() as asked:
        cluster.add(added)
        until(lambda: len(asker.slots()) == 4, 180, "the host that was added has its slots")
    assert node_of(added) in asker.slots()
    check(asked, story)
    assert asker.verified()


def test_the_code_changes_on_all_hosts_while_requests_go_on(story: Story) -> None:
    asker, cluster = story.asker, story.cluster
    assert asker.get("/openapi.json")["info"]["title"] == "SEN"
    with asker.asking() as asked:
        cluster.change_code("deploy/app.py", 'title="SEN"', 'title="SEN, changed"')
        assert "runs code" in cluster.sen("update")
    assert asker.get("/openapi.json")["info"]["title"] == "SEN, changed"
    check(asked, story)
    assert asker.verified()


def test_a_lost_head_is_started_anew_from_the_store(story: Story) -> None:
    asker, cluster = story.asker, story.cluster
    kill_ray(cluster.head)
    refused = asker.ask("digits")
    assert refused.outcome in REFUSED
    assert refused.seconds < 5
    cluster.up()
    until_ray_runs(cluster)
    assert f"{len(TASKS)} tasks served" in cluster.sen_up()
    asker.until_all_answer(story.learned, 60)
    assert asker.verified()


def test_nothing_is_left_of_ray(story: Story) -> None:
    cluster = story.cluster
    cluster.sen("down")
    cluster.on_head(".venv/bin/ray stop")
    cluster.down()
    for host in (cluster.head, *cluster.workers):
        until(lambda host=host: not has_ray(host), 120, f"Ray has ended on {host.name}")


def test_nothing_is_left_of_hosts() -> None:
    with Hosts() as hosts:
        host = hosts.add("short")
        processes = host.processes()
        assert processes
    assert not any(process.is_running() for process in processes)
    assert not hosts.folder.exists()
    assert host.name not in "".join(p.name for p in Path("/run/netns").iterdir())
    assert str(hosts.folder) not in Path("/proc/self/mounts").read_text(encoding="utf-8")
