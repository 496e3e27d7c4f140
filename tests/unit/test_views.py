"""Views in increments: whoever follows the changes sees what the whole would have told."""

from __future__ import annotations

import pickle
import random
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from immutables import Map
from ray import cloudpickle

from cluster.changes import MapChange, NetworkChange, RouterChange, newest
from cluster.messages import NetworkView
from cluster.registry import Registry, RegistryChange
from cluster.snapshots import Snapshots
from cluster.views import Views
from pathways import PathwayId
from tests.unit.fakes import made_up_entry
from tests.unit.networks import LearnedNetwork

A, B = PathwayId("a"), PathwayId("b")


def first(epoch: int = 1000, **fields: Any) -> NetworkView:
    return NetworkView(epoch=epoch, registry=Registry(), placement=Map(), slots=Map(), **fields)


def follow(held: NetworkView | None, views: Views) -> NetworkView:
    """What a follower holds after asking; the answer crosses processes."""
    news = views.since(held.epoch if held else 0)
    return newest(held, pickle.loads(pickle.dumps(news)))


# --- parts --------------------------------------------------------------------------------------


def test_a_map_change_leads_from_one_map_to_the_other_and_is_no_larger_than_it_must() -> None:
    before, after = Map({"a": 1, "b": 2, "c": 3}), {"a": 1, "b": 5, "d": 4}
    change = MapChange.between(before, after)
    assert change == MapChange(put={"b": 5, "d": 4}, gone=("c",))
    assert dict(change.applied(before)) == after
    assert dict(before) == {"a": 1, "b": 2, "c": 3}
    assert not MapChange.between(before, before)
    assert MapChange[str, int](gone=("x",)).applied({"a": 1}) == Map({"a": 1})


def test_a_router_is_extended_until_it_comes_anew() -> None:
    one, two = {"w": np.ones(1)}, {"w": np.ones(2)}
    router = RouterChange(base="ref", extensions=(one,))
    grown = RouterChange(extensions=(two,)).after(router)
    assert (grown.base, grown.extensions) == ("ref", (one, two))
    anew = RouterChange(base="other")
    assert anew.after(grown) is anew
    both = RouterChange(extensions=(two,)).after(RouterChange(extensions=(one,)))
    assert both.after(router).extensions == (one, one, two)


def test_a_change_fits_only_the_view_before_it() -> None:
    change = NetworkChange(epoch=1002)
    with pytest.raises(AssertionError, match="change 1002 does not follow 1000"):
        change.applied(first())


# --- views --------------------------------------------------------------------------------------


def test_what_is_noted_together_becomes_one_view() -> None:
    views = Views(first())
    views.publish([made_up_entry("a@1")])
    views.publish([made_up_entry("b@1"), made_up_entry("c@1")])
    views.place({A: ("handle",)}, {A: (0,)}, {0: "node"})
    views.withdraw("c", "damaged")
    views.route("image", RouterChange(base="ref"))
    assert views.newest.epoch == 1000
    assert views.renew()
    view = views.newest
    assert (view.epoch, view.registry.version) == (1001, 2)
    assert [e.id.task for e in view.registry.entries()] == ["a", "b", "c"]
    assert (dict(view.placement), dict(view.slots)) == ({A: ("handle",)}, {A: (0,)})
    assert dict(view.nodes) == {0: "node"}
    assert dict(view.unavailable) == {"c": "damaged"}
    assert view.routers["image"].base == "ref"


def test_a_view_arrives_in_another_process_as_it_was(network: LearnedNetwork) -> None:
    view = network.view(placement={A: "handle"}, slots={A: 3}, unavailable={"x": "gone"}, small=7)
    assert pickle.loads(cloudpickle.dumps(view)) == view


def test_nothing_new_makes_no_view() -> None:
    views = Views(first())
    assert not views.renew()
    views.place({}, {}, {})
    assert not views.renew()
    views = Views(first(unavailable={"a": "damaged"}))
    views.withdraw("a", "damaged")
    assert not views.renew()
    assert views.newest.epoch == 1000
    assert views.since(1000) == ()
    assert newest(views.newest, ()) is views.newest


def test_who_is_too_far_behind_or_new_or_of_another_controller_is_told_the_whole() -> None:
    views = Views(first(), kept=2)
    for number in range(3):
        views.publish([made_up_entry(f"t{number}@1")])
        views.renew()
    for epoch in (0, 7, 1000, 1004, 999_999):
        assert views.since(epoch) is views.newest
    assert [change.epoch for change in views.since(1001)] == [1002, 1003]  # type: ignore[union-attr]
    with pytest.raises(AssertionError, match="before the first view"):
        newest(None, views.since(1002))


def test_a_change_is_small_in_a_large_network() -> None:
    views = Views(first())
    views.publish(made_up_entry(f"t{n}@1") for n in range(3000))
    views.route("image", RouterChange(base="ref"))
    views.renew()
    whole = len(pickle.dumps(views.since(0)))
    views.publish([made_up_entry("new@1")])
    views.place({A: ("handle",)}, {A: (0,)}, {0: "node"})
    views.route("image", RouterChange(extensions=({"w": np.zeros(10)},)))
    views.renew()
    change = len(pickle.dumps(views.since(views.newest.epoch - 1)))
    assert change < 4000
    assert whole > 20 * change  # and compressed


def test_replaced_snapshots_are_not_kept_for_those_who_lag() -> None:
    views = Views(first())
    for reference in ("first", "second", "third"):
        views.route("image", RouterChange(base=reference))
        views.renew()
    assert b"first" not in pickle.dumps(views.since(1000))
    assert newest(first(), views.since(1000)).routers["image"].base == "third"


def same(one: NetworkView, other: NetworkView) -> bool:
    """Equal, with arrays compared by what is in them."""
    return _plain(one) == _plain(other)


def _plain(view: NetworkView) -> tuple[Any, ...]:
    registry = view.registry
    entries = {str(id): repr(entry) for id, entry in registry.pathways.items()}
    routers = {
        key: (router.base, [e["w"].tolist() for e in router.extensions])
        for key, router in sorted(view.routers.items())
    }
    return (
        (view.epoch, view.small, registry.version, registry.parameters),
        [str(entry.id) for entry in registry.entries()],
        sorted(entries.items()),
        sorted(registry.signatures),
        _texts(view.placement),
        _texts(view.slots),
        _texts(view.nodes),
        _texts(view.unavailable),
        routers,
    )


def _texts(given: Mapping[Any, Any]) -> list[tuple[str, str]]:
    return sorted((str(key), str(value)) for key, value in given.items())


class _Life:
    """A network to which random things happen, told in increments and kept as a whole."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.views = Views(first(small=5), kept=8)
        self.registry = Registry()
        self.held: dict[PathwayId, int] = {}
        self.routers: dict[str, tuple[Any, list[float]]] = {}
        self.unavailable: dict[str, str] = {}
        self.tasks = 0

    def step(self) -> None:
        happens = (
            self._publish,
            self._move,
            self._route,
            self._withdraw,
            self._restore,
            self._drop,
        )
        self.random.choice(happens)()

    def _publish(self) -> None:
        entries = []
        for _ in range(self.random.randint(1, 3)):
            self.tasks += 1
            entries.append(made_up_entry(f"t{self.tasks % 11}@{self.tasks // 11 + 1}"))
        self.registry = self.registry.publish(entries)
        self.views.publish(entries)

    def _drop(self) -> None:
        if len(self.registry.current) > 3:
            task = self.random.choice(sorted(self.registry.current))
            change = RegistryChange(drop=tuple(e.id for e in self.registry.versions(task)))
            self.registry = self.registry.after(change)
            self.views.change(change)

    def _restore(self) -> None:
        if self.unavailable:
            task = self.random.choice(sorted(self.unavailable))
            del self.unavailable[task]
            self.views.restore(task)

    def _move(self) -> None:
        pathway = PathwayId(f"t{self.random.randrange(9)}")
        if pathway in self.held:
            del self.held[pathway]
        else:
            self.held[pathway] = self.random.randrange(3)
        self.views.place(*self._placed())

    def _placed(self) -> tuple[dict[Any, Any], dict[Any, Any], dict[int, str]]:
        return (
            {p: (f"handle-{s}",) for p, s in self.held.items()},
            {p: (s,) for p, s in self.held.items()},
            dict.fromkeys(self.held.values(), "node"),
        )

    def _route(self) -> None:
        key = self.random.choice(["image", "sound"])
        values = [self.random.random() for _ in range(self.random.randint(1, 2))]
        extensions = tuple({"w": np.array([value])} for value in values)
        if key not in self.routers or self.random.random() < 0.2:
            self.routers[key] = (f"ref-{self.random.random()}", values)
            self.views.route(key, RouterChange(base=self.routers[key][0], extensions=extensions))
        else:
            self.routers[key][1].extend(values)
            self.views.route(key, RouterChange(extensions=extensions))

    def _withdraw(self) -> None:
        task = f"t{self.random.randrange(11)}"
        self.unavailable[task] = f"because {self.random.random()}"
        self.views.withdraw(task, self.unavailable[task])

    def whole(self) -> NetworkView:
        """The view as if nothing were told in increments."""
        placement, slots, nodes = self._placed()
        return NetworkView(
            epoch=self.views.newest.epoch,
            registry=self.registry,
            placement=placement,
            slots=slots,
            nodes=nodes,
            unavailable=self.unavailable,
            small=5,
            routers={
                key: RouterChange(base=base, extensions=tuple({"w": np.array([v])} for v in values))
                for key, (base, values) in self.routers.items()
            },
        )


@pytest.mark.parametrize("seed", range(6))
def test_followers_of_a_random_life_see_the_whole(seed: int) -> None:
    life = _Life(seed)
    followers: list[NetworkView | None] = [None] * 4
    for _ in range(150):
        for _ in range(life.random.randint(1, 4)):
            life.step()
        life.views.renew()
        for number, lag in enumerate((1.0, 0.5, 0.2, 0.05)):
            if life.random.random() < lag:
                followers[number] = follow(followers[number], life.views)
    for held in followers:
        assert same(follow(held, life.views), life.whole())


# --- router snapshots ---------------------------------------------------------------------------


def test_a_snapshot_is_fetched_once_and_then_extended(network: LearnedNetwork) -> None:
    key, given = next(iter(network.snapshots.items()))
    more = [replace(given.parts[0], tasks=tuple(f"{t}-{i}" for t in given.tasks)) for i in range(3)]
    held = Snapshots()
    router = RouterChange(base="ref", extensions=(more[0].to_arrays(),))
    assert held.to_fetch(key, router) == "ref"
    old = held.updated(key, router, given.to_arrays())
    assert old.tasks == given.tasks + more[0].tasks
    assert held.to_fetch(key, router) is None
    assert held.updated(key, router, None) is old
    grown = RouterChange(extensions=(more[1].to_arrays(), more[2].to_arrays())).after(router)
    assert held.to_fetch(key, grown) is None
    assert held.updated(key, grown, None).tasks == sum((p.tasks for p in more), given.tasks)
    assert old.tasks == given.tasks + more[0].tasks
    anew = RouterChange(base="other")
    assert held.to_fetch(key, anew) == "other"
    assert held.updated(key, anew, given.to_arrays()).tasks == given.tasks
