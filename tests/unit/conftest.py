"""Unit tests never start Ray: a guard makes ray.init raise.

What is slow to make, small learned pathways and a network of them, is made once a session.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from pathways import LearnConfig, PathwayId, StoredPathway, TrainConfig, learn, load_source
from pathways.data.embedded import embedded_task
from tests.unit.networks import LearnedNetwork, LocalSlots, Sets, publish_all

PER_CLASS = {"digits": 80, "lower": 80, "upper": 80, "fashion": 40, "spoken": 30}


@pytest.fixture(autouse=True)
def no_ray(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    import ray

    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("a unit test tried to start Ray; move it to tests/integration")

    monkeypatch.setattr(ray, "init", refuse)
    yield


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Models this small compute faster on one thread, and always in the same order."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def sets() -> Sets:
    """Embedded data by name: (train, test)."""
    return {
        name: embedded_task(name, train_per_class=n, test_per_class=20)
        for name, n in PER_CLASS.items()
    }


@pytest.fixture(scope="session")
def stored(sets: Sets) -> dict[str, StoredPathway]:
    """digits, lower (links from digits), upper (links from lower), fashion and spoken."""
    budget = TrainConfig(epochs=20, min_steps=0, batch_size=64)
    image = LearnConfig(threshold=0.5, train=budget)
    sound = LearnConfig(
        family="lstm",
        options={"units": 24, "hidden": 32, "width": 16},
        train=TrainConfig(epochs=14, min_steps=0, batch_size=32, learning_rate=1e-2),
    )
    given: dict[str, StoredPathway] = {}
    for name, lender in (("digits", None), ("lower", "digits"), ("upper", "lower")):
        sources = [load_source(given[lender])] if lender else []
        given[name] = learn(PathwayId(name), sets[name][0], sources, image)
    for name, config in (("fashion", image), ("spoken", sound)):
        given[name] = learn(PathwayId(name), sets[name][0], [], config)
    return given


@pytest.fixture(scope="session")
def network(
    tmp_path_factory: pytest.TempPathFactory, sets: Sets, stored: dict[str, StoredPathway]
) -> LearnedNetwork:
    """The pathways of `stored` but for upper, published in a store. Tests only read it."""
    given = {name: pathway for name, pathway in stored.items() if name != "upper"}
    data = {name: sets[name][0] for name in given}
    return publish_all(tmp_path_factory.mktemp("network") / "store", given, data)


@pytest.fixture
def slots(network: LearnedNetwork) -> LocalSlots:
    """Real slots in this process, empty."""
    return LocalSlots(network)
