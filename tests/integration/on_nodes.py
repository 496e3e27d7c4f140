"""A network on several Ray nodes that come and go, told as a story; run by test_nodes.py.

In a process of its own, since one process can be in one Ray cluster only. What happened is written
to story.json in the directory given, where the store is made too.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import ray
from ray._common.utils import get_default_ray_temp_dir
from ray.cluster_utils import Cluster

from cluster.client import Client, connect
from cluster.config import SenConfig, SlotConfig
from cluster.lifecycle import start_network, stop_network, use_token_auth
from cluster.messages import NetworkView
from cluster.names import NAMESPACE
from pathways import LearnConfig, PathwayId, StoredPathway, TaskData, TrainConfig, learn
from pathways.data.embedded import embedded_task
from tests.unit.networks import publish_all

TASKS = tuple(f"digits-{number}" for number in range(6))
PINNED = TASKS[0]
_CPUS = 2


@dataclass
class Story:
    """What happened; node names are a and b from the start, and c that came later."""

    spread: dict[str, int] = field(default_factory=dict)
    """Node → pathways on it at first."""
    astray: list[str] = field(default_factory=list)
    """Slots that run on another node than they should, or on cores that another has."""
    answered: int = 0
    """Requests during which nodes left and came."""
    wrong: int = 0
    """Those with another answer than before."""
    errors: list[str] = field(default_factory=list)
    slowest_s: float = 0.0
    after_loss: dict[str, int] = field(default_factory=dict)
    """Once the network has noticed that node a was lost."""
    pinned_again_s: float = 0.0
    """Until a pinned task that was on the lost node was resident again."""
    after_join: dict[str, int] = field(default_factory=dict)
    joined_s: float = 0.0
    """Until node c held its share."""
    copies_on: list[str] = field(default_factory=list)
    """Nodes that a pathway was on once it had become hot."""
    verified: bool = False


class Load:
    """Asks for tasks at random all the time, and compares with the answers from before."""

    def __init__(self, client: Client, x: Any, story: Story) -> None:
        self._client, self._x, self._story = client, x, story
        self._before = {task: client.predict(x, task=task) for task in TASKS}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def __enter__(self) -> Load:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _ask(self) -> None:
        random_ = random.Random(0)
        while not self._stop.is_set():
            task, started = random_.choice(TASKS), time.monotonic()
            try:
                answers = self._client.predict(self._x, task=task)
                self._story.wrong += answers != self._before[task]
            except Exception as error:  # whatever it is, the test shows it
                self._story.errors.append(repr(error))
            self._story.answered += 1
            self._story.slowest_s = max(self._story.slowest_s, time.monotonic() - started)


def main(directory: Path) -> Story:
    story = Story()
    train, test = embedded_task("digits", train_per_class=40, test_per_class=2)
    store = make_store(directory / "store", train)
    use_token_auth()
    with tempfile.TemporaryDirectory(prefix="sen-") as short:
        head = {"num_cpus": 0, "include_dashboard": False, "temp_dir": short}
        # Cluster writes its address where Ray looks by default, which it does not make.
        Path(get_default_ray_temp_dir()).mkdir(exist_ok=True)
        cluster = Cluster(initialize_head=True, head_node_args=head)
        try:
            names = {cluster.add_node(num_cpus=_CPUS): name for name in "ab"}
            ray.init(address=cluster.address, namespace=NAMESPACE, log_to_driver=False)
            run(cluster, names, store, test.x[:4], story)
        finally:
            ray.shutdown()
            cluster.shutdown()
    return story


def make_store(path: Path, train: TaskData) -> str:
    """One task, learned once and published under many names."""
    stored = learn(
        PathwayId(TASKS[0]), train, [], LearnConfig(train=TrainConfig(epochs=2, min_steps=0))
    )
    copies = {
        task: StoredPathway(spec=replace(stored.spec, id=PathwayId(task)), weights=stored.weights)
        for task in TASKS
    }
    return publish_all(path, copies, dict.fromkeys(TASKS, train)).store.uri


def run(cluster: Any, names: dict[Any, str], store: str, x: Any, story: Story) -> None:
    slots = SlotConfig(cpus=1, per_node=2, pathways_per_slot=2, local_pathways=0, pinned=(PINNED,))
    start_network(SenConfig(store=store, slots=slots))
    client = connect()
    with Load(client, x, story):
        until(lambda: len(client.network().slots) == len(TASKS))
        story.spread = on_nodes(client.network(), names)
        story.astray = astray(client.network())
        pinned_on = client.network().nodes[client.network().slots[PathwayId(PINNED)][0]]
        lost = next(node for node in names if node.node_id == pinned_on)
        kept = next(node for node in names if node is not lost)

        started = time.monotonic()
        cluster.remove_node(lost, allow_graceful=False)
        until(lambda: is_on(client.network(), PINNED, kept.node_id))
        story.pinned_again_s = time.monotonic() - started
        until(lambda: lost.node_id not in client.network().nodes.values())
        story.after_loss = on_nodes(client.network(), names)

        started = time.monotonic()
        names[cluster.add_node(num_cpus=_CPUS)] = "c"
        until(lambda: on_nodes(client.network(), names).get("c", 0) >= 3)
        story.joined_s = time.monotonic() - started
        until(lambda: len(client.network().slots) == len(TASKS))
        story.after_join = on_nodes(client.network(), names)
        story.astray += astray(client.network())
    story.copies_on = sorted(heated(client, x, names))
    story.verified = all(result.ok for result in client.verify())
    stop_network()


def heated(client: Client, x: Any, names: dict[Any, str]) -> list[str]:
    """Ask one task for much until it is in two slots; returns their nodes."""
    task, many = TASKS[1], x.repeat(64, axis=0)

    def in_two_slots() -> bool:
        client.predict(many, task=task)
        return len(client.network().slots.get(PathwayId(task), ())) == 2

    until(in_two_slots)
    view = client.network()
    here = {node.node_id: name for node, name in names.items()}
    return [here[view.nodes[slot]] for slot in view.slots[PathwayId(task)]]


def on_nodes(view: NetworkView, names: dict[Any, str]) -> dict[str, int]:
    """Node → pathways resident on it."""
    found: dict[str, int] = {}
    for node, name in names.items():
        slots = [slot for held in view.slots.values() for slot in held]
        if here := sum(view.nodes[slot] == node.node_id for slot in slots):
            found[name] = here
    return found


def is_on(view: NetworkView, task: str, node: str) -> bool:
    return any(view.nodes[slot] == node for slot in view.slots.get(PathwayId(task), ()))


def astray(view: NetworkView) -> list[str]:
    """Slots that are not where the controller thinks, or share a core with one of their node."""
    found, cores = [], {}
    for pathway, slots in view.slots.items():
        for slot, handle in zip(slots, view.placement[pathway], strict=True):
            node, its_cores = ray.get(handle.whereabouts.remote())
            if node != view.nodes[slot] or len(its_cores) != 1:
                found.append(f"slot {slot} is on {node}, cores {sorted(its_cores)}")
            if cores.setdefault((node, its_cores), slot) != slot:
                found.append(f"slot {slot} has the cores of slot {cores[node, its_cores]}")
    return found


def until(condition: Callable[[], bool], timeout_s: float = 150.0) -> None:
    end = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("waited too long")
        time.sleep(0.1)


if __name__ == "__main__":
    given = Path(sys.argv[1])
    (given / "story.json").write_text(json.dumps(asdict(main(given))))
