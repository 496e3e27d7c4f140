"""What the stories of clusters share: a cluster of hosts, and what was learned on it."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field

from tests.cluster.asking import TASKS, Asked, Asker, summary
from tests.cluster.clusters import RayCluster
from tests.cluster.hosts import Host, Hosts, until

SETTINGS = {
    "slots": {"per_node": 2, "local_pathways": 0},
    # Every host has all cores of this machine. Two workers are too much for one of them.
    "expansion": {"workers": 2, "cpus": 1.5, "threads": 1, "linger_s": 5},
}
_CLOSED = {"ReadError", "RemoteProtocolError"}
REFUSED = {"502", "503", "504", "ConnectError", "ConnectTimeout", *_CLOSED}
"""What a client may be told while a host is lost. A request that is merely cut off is not there."""


@dataclass
class Story:
    """What the chapters share."""

    hosts: Hosts
    cluster: RayCluster
    key: str
    learned: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Task → the labels it answered with once it was learned."""

    @property
    def asker(self) -> Asker:
        return Asker(self.cluster.url, self.key)

    def learn(self) -> set[str]:
        """Have all tasks learned; returns the names of the hosts that had training workers."""
        asker, hosts = self.asker, (self.cluster.head, *self.cluster.workers)
        expansions, learned_on = asker.learn_all(), set[str]()

        def all_ended() -> bool:
            learned_on.update(
                host.name
                for host in hosts
                if any(title.startswith("ray::RayTrainWorker") for title in host.titles())
            )
            statuses = [asker.get(expansion) for expansion in expansions]
            assert all(status["stage"] != "failed" for status in statuses), statuses
            return all(status["stage"] == "learned" for status in statuses)

        until(all_ended, 300, "all tasks are learned")
        until(lambda: set(asker.answers()) == set(TASKS), 60, "all tasks answer")
        self.learned = asker.answers()
        return learned_on


def has_ray(host: Host) -> bool:
    """Whether a node of Ray runs there."""
    return any("/raylet/raylet" in title for title in host.titles())


def node_of(host: Host) -> str:
    """Ray's id of the node on a host."""
    (found,) = set(re.findall(r"--node_id=(\w+)", " ".join(host.titles())))
    return str(found)


def until_ray_runs(cluster: RayCluster) -> None:
    """Wait for a node of Ray on every host."""
    for host in (cluster.head, *cluster.workers):
        until(lambda host=host: has_ray(host), 120, f"Ray runs on {host.name}")


def kill_ray(host: Host) -> None:
    """kill -9 of everything of Ray on a host, as if its power had failed."""
    while sum(host.kill(title) for title in ("ray", "haproxy")):
        pass  # what one process starts again has to go too


def check(asked: list[Asked], story: Story, hanging: int = 0, refused: bool = False) -> None:
    """Everything was answered as before, or refused if that is allowed; `hanging`: that many
    requests may have got no answer."""
    told = summary(asked)
    print(told)
    by_outcome = Counter(each.outcome for each in asked)
    assert by_outcome.pop("200") > len(TASKS), told
    assert by_outcome.pop("ReadTimeout", 0) <= hanging, told
    assert set(by_outcome) <= (REFUSED if refused else set()), told
    answered = [each for each in asked if each.outcome == "200"]
    assert all(each.labels == story.learned[each.task] for each in answered)
