"""Waiting expansions: what was acknowledged is there, what was cut off is not."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from cluster import Store
from cluster.errors import StoreDamagedError, StoreError
from cluster.messages import NewTask, WaitingTask
from cluster.orders import HELD_OUT, SHARED, TASK, Improve, Order, Prune, Share
from cluster.requests import RequestLog
from pathways import LearnConfig, TaskData, TrainConfig
from pathways.revising import ImproveConfig, PruneConfig, ShareConfig
from tests.unit.networks import Sets

FIRST, SECOND = "00000001-digits", "00000002-lower"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "store", create=True)


@pytest.fixture
def few(sets: Sets) -> TaskData:
    return sets["digits"][0].shots(2, np.random.default_rng(0))


def new(config: Order, data: TaskData, **beside: TaskData) -> NewTask:
    return NewTask(task="digits", data=data, config=config, beside=beside)


def overwrite(store: Store, name: str, body: bytes) -> None:
    Path(store.path(f"requests/{FIRST}/{name}")).write_bytes(body)


def test_a_request_is_waiting_with_its_settings(store: Store, few: TaskData) -> None:
    config = LearnConfig(
        family="cnn",
        options={"hidden": 9},
        threshold=0.6,
        max_sources=0,
        shots=3,
        seed=7,
        train=TrainConfig(epochs=2, learning_rate=0.01),
    )
    RequestLog(store).add({FIRST: new(config, few)})
    waiting = RequestLog(store).waiting(FIRST)
    assert waiting == WaitingTask(request=FIRST, task="digits", config=config)


@pytest.mark.parametrize(
    "order",
    [
        Improve(source="upper", how=ImproveConfig(seed=3, train=TrainConfig(epochs=2))),
        Prune(how=PruneConfig(max_loss=0.01, keep=7)),
        Share(partner="upper", learn=LearnConfig(seed=4), how=ShareConfig(budget=0.03)),
    ],
)
def test_every_order_comes_back_as_it_was(store: Store, few: TaskData, order: Order) -> None:
    RequestLog(store).add({FIRST: new(order, few)})
    waiting = RequestLog(store).waiting(FIRST)
    assert waiting is not None and waiting.config == order


def test_data_of_other_roles_come_back_by_name(store: Store, sets: Sets, few: TaskData) -> None:
    other = sets["spoken"][1]
    RequestLog(store).add({FIRST: new(Improve(), few, held_out=few, shared=other)})
    log = RequestLog(store)
    assert log.roles(FIRST) == {TASK, HELD_OUT, SHARED}
    assert log.data(FIRST, SHARED).x.tobytes() == other.x.tobytes()
    assert log.data(FIRST, SHARED).signature == other.signature
    assert log.data(FIRST).x.tobytes() == few.x.tobytes()


def test_a_request_of_an_earlier_release_is_read(store: Store, few: TaskData) -> None:
    RequestLog(store).add({FIRST: new(LearnConfig(seed=5), few)})
    path = Path(store.path(f"requests/{FIRST}/request.json"))
    fields = json.loads(path.read_text())
    del fields["config"]["kind"]
    hashes = {"data_sha256": fields["sha256"]["data.safetensors"]}
    path.write_text(json.dumps({"config": fields["config"], **fields["parts"]["task"], **hashes}))
    waiting = RequestLog(store).waiting(FIRST)
    assert waiting is not None and waiting.config == LearnConfig(seed=5)
    assert RequestLog(store).data(FIRST).y.tobytes() == few.y.tobytes()
    assert RequestLog(store).weights(FIRST) is None


def test_many_requests_are_durable_together(store: Store, few: TaskData) -> None:
    ids = [f"{n:08d}-t{n}" for n in range(1, 21)]
    RequestLog(store).add({id: new(LearnConfig(seed=n), few) for n, id in enumerate(ids)})
    again = RequestLog(store)
    assert again.ids() == ids
    waiting = [again.waiting(id) for id in ids]
    assert [w and w.config for w in waiting] == [LearnConfig(seed=n) for n in range(20)]
    assert again.data(ids[7]).x.tobytes() == few.x.tobytes()


@pytest.mark.parametrize("name", ["digits", "spoken"])
def test_its_data_come_back_bit_for_bit(store: Store, sets: Sets, name: str) -> None:
    data = sets[name][1]
    RequestLog(store).add({FIRST: new(LearnConfig(), data)})
    back = RequestLog(store).data(FIRST)
    assert back.x.tobytes() == data.x.tobytes()
    assert (back.x.dtype, back.x.shape) == (data.x.dtype, data.x.shape)
    assert back.y.tobytes() == data.y.tobytes()
    assert (back.labels, back.signature) == (data.labels, data.signature)


@pytest.mark.parametrize("lay_out", [np.asfortranarray, lambda array: array[::2]])
def test_data_laid_out_otherwise_in_memory_come_back_the_same(
    store: Store, sets: Sets, lay_out: Callable[[NDArray[Any]], NDArray[Any]]
) -> None:
    whole = sets["digits"][0]
    x, y = lay_out(whole.x), lay_out(whole.y)
    data = TaskData(x=x, y=y, labels=whole.labels, signature=whole.signature)
    assert not data.x.flags["C_CONTIGUOUS"]
    RequestLog(store).add({FIRST: new(LearnConfig(), data)})
    back = RequestLog(store).data(FIRST)
    np.testing.assert_array_equal(back.x, x)
    np.testing.assert_array_equal(back.y, y)


def test_requests_are_listed_by_arrival(store: Store, few: TaskData) -> None:
    log = RequestLog(store)
    assert log.ids() == []
    for request in (SECOND, FIRST):
        log.add({request: new(LearnConfig(), few)})
    assert log.ids() == [FIRST, SECOND]


def test_a_request_cut_off_before_its_description_is_not_waiting(
    store: Store, few: TaskData
) -> None:
    log = RequestLog(store)
    log.add({FIRST: new(LearnConfig(), few)})
    Path(store.path(f"requests/{FIRST}/request.json")).unlink()
    assert log.ids() == [FIRST]
    assert log.waiting(FIRST) is None


def test_the_description_is_written_last(
    store: Store, few: TaskData, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []
    write = store.write_all_new

    def watched(files: Mapping[str, bytes]) -> None:
        written.extend(name.rpartition("/")[2] for name in files)
        write(files)

    monkeypatch.setattr(store, "write_all_new", watched)
    RequestLog(store).add({FIRST: new(LearnConfig(), few)})
    assert written == ["data.safetensors", "request.json"]


def test_an_id_is_never_used_twice(store: Store, few: TaskData) -> None:
    RequestLog(store).add({FIRST: new(LearnConfig(), few)})
    with pytest.raises(StoreError, match="exists already"):
        RequestLog(store).add({FIRST: new(LearnConfig(), few)})


def test_a_removed_request_is_gone_with_its_data(store: Store, few: TaskData) -> None:
    log = RequestLog(store)
    log.add({FIRST: new(LearnConfig(), few)})
    log.remove(FIRST)
    log.remove(FIRST)
    assert log.ids() == []
    assert not store.exists(f"requests/{FIRST}")


@pytest.mark.parametrize("keep", [0, 5, 100])
def test_cut_off_data_are_damage(store: Store, few: TaskData, keep: int) -> None:
    RequestLog(store).add({FIRST: new(LearnConfig(), few)})
    whole = store.read(f"requests/{FIRST}/data.safetensors")
    overwrite(store, "data.safetensors", whole[:keep] if keep < 100 else whole[:-1])
    with pytest.raises(StoreDamagedError, match=r"data\.safetensors is damaged: .*learn the task"):
        RequestLog(store).data(FIRST)


def test_missing_data_are_damage(store: Store, few: TaskData) -> None:
    RequestLog(store).add({FIRST: new(LearnConfig(), few)})
    Path(store.path(f"requests/{FIRST}/data.safetensors")).unlink()
    with pytest.raises(StoreDamagedError, match=r"data\.safetensors is missing"):
        RequestLog(store).data(FIRST)


def test_one_changed_bit_in_the_data_is_damage(store: Store, few: TaskData) -> None:
    RequestLog(store).add({FIRST: new(LearnConfig(), few)})
    body = bytearray(store.read(f"requests/{FIRST}/data.safetensors"))
    body[-1] ^= 1
    overwrite(store, "data.safetensors", bytes(body))
    with pytest.raises(StoreDamagedError, match=r"data\.safetensors is damaged"):
        RequestLog(store).data(FIRST)


def test_weights_to_start_from_come_back_and_damage_is_noticed(store: Store, few: TaskData) -> None:
    log = RequestLog(store)
    plain = new(LearnConfig(), few)
    log.add({FIRST: replace(plain, weights=b"weights"), SECOND: plain})
    assert (log.weights(FIRST), log.weights(SECOND)) == (b"weights", None)
    assert log.ids() == [FIRST, SECOND]
    overwrite(store, "weights.safetensors", b"Weights")
    with pytest.raises(
        StoreDamagedError, match=r"weights\.safetensors is damaged: .*learn the task"
    ):
        log.weights(FIRST)
    log.remove(FIRST)
    assert not store.exists(f"requests/{FIRST}")


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[]", b"3", b"{}", b'{"config": {}}'])
def test_a_damaged_description_is_noticed(store: Store, few: TaskData, body: bytes) -> None:
    RequestLog(store).add({FIRST: new(LearnConfig(), few)})
    overwrite(store, "request.json", body)
    for use in (RequestLog(store).waiting, RequestLog(store).data):
        with pytest.raises(StoreDamagedError, match=r"request\.json is damaged: .*learn the task"):
            use(FIRST)
