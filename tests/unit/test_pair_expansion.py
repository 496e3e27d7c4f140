"""A pair of tasks as one expansion: durable, learned together, published together, over HTTP."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cluster.asking import pairing
from cluster.concepts import check_concepts
from cluster.config import ExpansionConfig
from cluster.errors import StoreDamagedError, TaskNameTaken
from cluster.expansion import Surroundings
from cluster.expansions import Expansions
from cluster.messages import NewTask, WaitingTask
from cluster.orders import Pair
from cluster.pair_expansion import carry_out_pair
from cluster.partner import PartnerSide
from cluster.registry import Registry
from cluster.requests import RequestLog
from cluster.store import Store
from pathways import DataError, LearnConfig, PathwayId, Progress, Source
from pathways.data.paired import PairedData
from pathways.pairing import Beside, PairConfig, Predictions, Side, Turn, halves, learn_together
from tests.unit.expanding import expansions
from tests.unit.fakes import made_up_entry
from tests.unit.guarded import problem
from tests.unit.networks import LearnedNetwork, LocalSlots, Sets
from tests.unit.serving import Serving, serving
from tests.unit.test_pairing import SHORT, SMALL, arrays, paired

TASKS = ("seen", "heard")


@pytest.fixture(scope="module")
def few(sets: Sets) -> PairedData:
    return paired(sets, shots=2, pairs=60)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "store", create=True)


def new_pair(
    data: PairedData,
    tasks: tuple[str, str] = TASKS,
    configs: tuple[LearnConfig, LearnConfig] = (SHORT, SMALL),
    how: PairConfig | None = None,
) -> NewTask:
    return pairing(*tasks, data, configs, how)


async def submit(mine: Expansions, pair: NewTask) -> str:
    (request,) = await mine.submit([pair], Registry())
    return request


def test_a_pair_is_there_whole_after_a_restart(store: Store, few: PairedData) -> None:
    pair = new_pair(few, how=PairConfig(agreement=0.25))
    request = asyncio.run(submit(expansions(store), pair))
    after = expansions(store)
    after.resume()
    (status,) = after.all()
    assert (status.request, status.task, status.partner) == (request, *TASKS)
    waiting = asyncio.run(after.take())
    assert waiting is not None and waiting.config == pair.config
    found = RequestLog(store).paired(request)
    for name in ("x_first", "x_second"):
        np.testing.assert_array_equal(getattr(found, name), getattr(few, name))
    for name in ("first", "second"):
        task, wanted = getattr(found, name), getattr(few, name)
        np.testing.assert_array_equal(task.x, wanted.x)
        np.testing.assert_array_equal(task.y, wanted.y)
        assert (task.labels, task.signature) == (wanted.labels, wanted.signature)


def test_both_names_are_taken_until_it_ends(store: Store, few: PairedData) -> None:
    async def work() -> None:
        mine = expansions(store)
        request = await submit(mine, new_pair(few))
        for name in TASKS:
            with pytest.raises(TaskNameTaken, match=name):
                await mine.submit([NewTask(task=name, data=few.first)], Registry())
        for tasks in (("seen", "new"), ("new", "heard"), ("new", "new")):
            with pytest.raises(TaskNameTaken):
                await submit(mine, new_pair(few, tasks=tasks))
        await mine.take()
        await mine.failed(request, "it is impossible")
        await submit(mine, new_pair(few))

    asyncio.run(work())


def test_damaged_pairs_are_noticed(store: Store, few: PairedData) -> None:
    request = asyncio.run(submit(expansions(store), new_pair(few)))
    for name in ("second", "pairs"):
        Path(store.path(f"requests/{request}/{name}.safetensors")).write_bytes(b"x")
        with pytest.raises(StoreDamagedError, match=f"{name}.safetensors is damaged"):
            RequestLog(store).paired(request)


class InProcess:
    """The actor of a partner without Ray, as learn_together asks it."""

    def __init__(
        self,
        store: Store,
        request: str,
        order: Pair,
        ids: tuple[PathwayId, PathwayId],
        sources: Sequence[Source],
    ) -> None:
        self._side = PartnerSide(store.uri, request, order, ids, sources)
        self._given: Predictions | None = None

    def begin(self, theirs: Predictions | None) -> None:
        self._given = theirs

    def end(self) -> Turn:
        return self._side.turn(self._given, threads=1)

    def finish(self) -> object:
        return self._side.finish()


def test_an_expansion_of_a_pair_is_what_learning_it_in_one_process_is(
    store: Store, few: PairedData
) -> None:
    pair = new_pair(few, how=PairConfig(warm_up=0.0))
    request = asyncio.run(submit(expansions(store), pair))
    order = pair.config
    assert isinstance(order, Pair)
    waiting = WaitingTask(request=request, task="seen", config=order)
    told: list[Progress] = []
    around = Surroundings(
        snapshot=lambda key: None,
        lend=lambda tasks: [],
        report=told.append,
        start_partner=lambda *of: InProcess(store, *of),  # type: ignore[arg-type, return-value]
    )
    learned = carry_out_pair(waiting, order, store, ExpansionConfig(), around)
    assert [one.pathway.spec.id.task for one in learned] == list(TASKS)
    assert [progress.epoch for progress in told] == [1, 2]
    for one in learned:
        assert store.exists(one.statistics_path)
    ids = (PathwayId("seen"), PathwayId("heard"))
    first, second = halves(ids, few, (order.first, order.second), order.pairing)
    wanted = learn_together(Side(first), Beside(Side(second)))
    assert [one.pathway.weights for one in learned] == [one.weights for one in wanted]


def test_one_of_a_pair_may_declare_what_the_other_or_the_network_has(few: PairedData) -> None:
    words = replace(few.second, labels=tuple(f"w{c}" for c in range(10)))
    named = replace(few, second=words)
    same = {f"w{c}": str(c) for c in range(10)}
    configs = (LearnConfig(), LearnConfig(concepts=same))
    check_concepts([new_pair(named, configs=configs)], Registry())
    with pytest.raises(DataError, match="share 0 concepts"):
        check_concepts([new_pair(named, configs=(LearnConfig(), LearnConfig()))], Registry())
    slip = (LearnConfig(), LearnConfig(concepts={**same, "w9": "nine"}))
    with pytest.raises(DataError, match="concept 'nine' in the default namespace"):
        check_concepts([new_pair(named, configs=slip)], Registry())
    known = Registry().publish([made_up_entry("other@1")])  # has the labels a and b
    more = (LearnConfig(), LearnConfig(concepts={**same, "w9": "a"}))
    check_concepts([new_pair(named, configs=more)], known)


# --- over HTTP ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sen(network: LearnedNetwork) -> Iterator[Serving]:
    with serving(LocalSlots(network)) as running:
        yield running


@pytest.fixture(autouse=True)
def forget(sen: Serving) -> None:
    sen.controller.clear()


def body(data: PairedData) -> bytes:
    out = io.BytesIO()
    np.savez(out, **arrays(data))  # type: ignore[arg-type]
    return out.getvalue()


def test_pairs_are_uploaded_or_named_by_path(sen: Serving, few: PairedData, tmp_path: Path) -> None:
    (tmp_path / "pairs.npz").write_bytes(body(few))
    asked = {"first": "seen", "second": "heard"}
    options = {"agreement": 0.5, "epochs": 3, "namespace": "digits"}
    by_path = sen.http.post(
        "/v1/pairs", json={**asked, "path": str(tmp_path / "pairs.npz"), "options": options}
    )
    assert by_path.status_code == 202
    reply = by_path.json()
    assert by_path.headers["location"] == reply["status"]
    assert reply["notes"][0] == "20 of 60 pairs have labels"
    status = sen.http.get(reply["status"]).json()
    assert (status["task"], status["partner"]) == ("seen", "heard")
    (pair,) = sen.controller.pairs
    order = pair.config
    assert isinstance(order, Pair)
    assert (pair.task, order.partner, order.pairing.agreement) == ("seen", "heard", 0.5)
    assert {how.namespace for how in (order.first, order.second)} == {"digits"}
    assert {how.train.epochs for how in (order.first, order.second)} == {3}
    files = {"file": ("pairs.npz", body(few))}
    taken = sen.http.post("/v1/pairs", data=asked, files=files)
    assert "'seen' is" in problem(taken, 409)
    uploaded = sen.http.post("/v1/pairs", data={"first": "a", "second": "b"}, files=files)
    assert uploaded.status_code == 202
    assert len(sen.controller.pairs) == 2


def test_pairs_that_cannot_be_used_are_refused(
    sen: Serving, few: PairedData, tmp_path: Path
) -> None:
    npz = {"file": ("pairs.npz", body(few))}
    both = {"first": "a", "second": "b"}
    for data, files, said in (
        ({"first": "a"}, npz, "no field 'second'"),
        ({**both, "task": "c"}, npz, "has a field 'task'; known are first, second, options"),
        ({**both, "options": '{"agreement": -1}'}, npz, "agreement:"),
        ({**both, "options": '{"shots": 1}'}, npz, "shots: it is not known here"),
        (both, {"file": ("a.parquet", b"x")}, "pairs are one .npz file"),
        (both, {"file": ("pairs.npz", b"x")}, "no .npz archive"),
    ):
        reply = sen.http.post("/v1/pairs", data=data, files=files)
        assert said in problem(reply, 422)
        assert str(tmp_path) not in reply.text
    missing = {**both, "path": str(tmp_path / "none.npz")}
    assert sen.http.post("/v1/pairs", json=missing).status_code == 422
    assert sen.http.post("/v1/pairs", content=b"x").status_code in (415, 422)
    assert sen.controller.pairs == []
