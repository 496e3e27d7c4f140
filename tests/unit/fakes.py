"""Hand-written stand-ins for what Ray gives, and small ready-made values. All fakes live here."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ray.exceptions import ActorUnschedulableError, RayActorError

from cluster.code import LOADED
from cluster.concepts import check_concepts
from cluster.errors import TaskInUse
from cluster.inputs import Input
from cluster.messages import (
    Activation,
    Answer,
    ExpansionStatus,
    NetworkActivity,
    NetworkView,
    NewTask,
    Stage,
    WaitingTask,
)
from cluster.meter import NoMeter
from cluster.orders import Order, Pair, Prune
from cluster.proposals import Proposal
from cluster.publisher import Removal, Rollback
from cluster.queue import ExpansionQueue
from cluster.registry import PathwayEntry, Registry
from pathways import Link, PathwayId, PathwaySpec, Progress, TaskData, image_signature
from pathways.spec import Training

NOBODY = 65534


def made_up_spec(
    id: str, *, source: str | None = None, parameters: int = 100, lent: int = 0
) -> PathwaySpec:
    """A spec without a model behind it, of a pathway that reads `lent` weights of its source."""
    return PathwaySpec(
        id=PathwayId.parse(id),
        signature=image_signature(),
        labels=("a", "b"),
        family="mlp",
        options={"hidden": 4},
        source=PathwayId.parse(source) if source else None,
        source_width=4 if source else 0,
        links=(Link(1, 0, 0.8),) if source else (),
        parameters=parameters,
        active_parameters=parameters + lent,
        weights_sha256="ab" * 32,
        training=Training(
            examples=10,
            shots=None,
            epochs=3,
            seed=0,
            train_accuracy=0.9,
            held_out_accuracy=None,
            held_out_examples=0,
            seconds=0.1,
        ),
    )


def made_up_entry(id: str, **spec: Any) -> PathwayEntry:
    """A registry entry without files behind it."""
    return PathwayEntry(
        spec=made_up_spec(id, **spec),
        weights_path=f"pathways/{id}",
        statistics_path=f"router/{id}",
        statistics_sha256="cd" * 32,
        request=f"00000001-{id.partition('@')[0]}",
        learned_at="2025-01-01T00:00:00+00:00",
    )


class FakeClock:
    """Time that passes when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class _Method:
    """An actor's method: `.remote(...)` gives an awaitable. The call is sent at once."""

    def __init__(self, handle: FakeSlotHandle, name: str) -> None:
        self._handle, self._name = handle, name

    def remote(self, *arguments: Any) -> asyncio.Future[Any]:
        sent = asyncio.ensure_future(self._handle.call(self._name, *arguments))
        sent.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        return sent


class FakeSlotHandle:
    """The handle of a slot's actor that runs one call at a time, in the order they were sent."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []
        """(method, pathway) in the order of running."""
        self.awaited: set[PathwayId] = set()
        """Pathways that are not evicted: a caller waits for them."""
        self.stays: dict[PathwayId, float] = {}
        """How long what was loaded is to stay in any case, in seconds."""
        self.sources: list[tuple[PathwayId, PathwayId | None]] = []
        """(pathway, source) of every load."""
        self.held: set[PathwayId] = set()
        self.damaged: dict[str, Exception] = {}
        """Pathway → what loading it raises."""
        self.dead = False
        self.no_room = False
        """Ray cannot start it."""
        self.restarts = 0
        """So many of the next calls find the process restarting, empty."""
        self.go = asyncio.Event()
        """Loading waits for this."""
        self.go.set()
        self._turn = asyncio.Lock()
        self.load = _Method(self, "load")
        self.unload = _Method(self, "unload")
        self.resident = _Method(self, "resident")
        self.code = _Method(self, "code")
        self.runs = LOADED
        """The code that it runs."""

    async def call(self, name: str, *arguments: Any) -> Any:
        async with self._turn:
            if self.restarts:
                self.restarts -= 1
                self.held.clear()
                raise RayActorError
            if self.no_room:
                raise ActorUnschedulableError("no room")
            if self.dead:
                raise RayActorError
            return await getattr(self, f"_{name}")(*arguments)

    async def _load(
        self,
        entry: PathwayEntry,
        source: PathwayEntry | None,
        evict: PathwayId | None,
        stay_s: float,
    ) -> bool:
        self.stays[entry.id] = stay_s
        if evict in self.awaited:
            self.calls.append(("refuse", str(entry.id)))
            return False
        if evict is not None:
            await self._unload(evict)
        self.calls.append(("load", str(entry.id)))
        self.sources.append((entry.id, source.id if source else None))
        await self.go.wait()
        if error := self.damaged.get(str(entry.id)):
            raise error
        self.held.add(entry.id)
        return True

    async def _unload(self, pathway: PathwayId) -> None:
        self.calls.append(("unload", str(pathway)))
        self.held.discard(pathway)

    async def _resident(self) -> list[PathwayId]:
        return sorted(self.held)

    async def _code(self) -> str:
        return self.runs


class FakeAnswering:
    """A dispatcher of one task, whose answers wait for `go`."""

    def __init__(self) -> None:
        self.view = NetworkView(
            epoch=1, registry=Registry().publish([made_up_entry("digits@1")]), placement={}
        )
        self.asked = 0
        """Requests that got through to it."""
        self.go = asyncio.Event()
        self.go.set()

    async def answer(self, inputs: Sequence[Input], task: str | None = None) -> list[Answer]:
        self.asked += 1
        await self.go.wait()
        activated = (Activation(pathway=PathwayId("digits"), weight=1.0),)
        one = Answer(
            probabilities=(("7", 1.0),), activated=activated, unknown=False, network_version=1
        )
        return [one] * len(inputs)

    async def until(self, version: int) -> None:
        """Its network does not change."""

    async def answer_together(
        self, elements: Sequence[Sequence[Input]], tasks: Sequence[str] = ()
    ) -> list[Answer]:
        return await self.answer([element[0] for element in elements])

    async def activity(self) -> NetworkActivity:
        """Nothing ran."""
        return NetworkActivity(network_version=1, activations={}, rows=0, unknown=0, resident=())


class FakeMeter(NoMeter):
    """Keeps what was recorded by HTTP and of expansions."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, int]] = []
        self.stages: list[str] = []
        self.told: list[int] = []
        self.outcomes: list[str] = []

    def request(self, route: str, status: int, seconds: float) -> None:
        assert seconds > 0
        self.requests.append((route, status))

    def stage(self, name: str, seconds: float) -> None:
        assert seconds > 0
        self.stages.append(name)

    def waiting(self, tasks: int) -> None:
        self.told.append(tasks)

    def ended(self, outcome: str) -> None:
        self.outcomes.append(outcome)


@contextmanager
def powerless() -> Iterator[None]:
    """File permissions count inside, also where tests run as root."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


@contextmanager
def open_directory() -> Iterator[Path]:
    """A temporary directory that every user may enter (pytest's own are private)."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name)
        path.chmod(0o755)
        yield path
        for directory in (path, *(p for p in path.rglob("*") if p.is_dir())):
            directory.chmod(0o755)


class ControllerMethod:
    """A method of the controller: `.remote(...)` may be called from any thread, as Ray's."""

    def __init__(self, controller: FakeController, work: Callable[..., Any]) -> None:
        self._controller, self._work = controller, work

    def remote(self, *arguments: Any) -> asyncio.Future[Any]:
        async def run() -> Any:
            return self._work(*arguments)

        loop = self._controller.loop
        assert loop is not None, "the application runs first"
        return asyncio.wrap_future(asyncio.run_coroutine_threadsafe(run(), loop), loop=loop)


class FakeController:
    """The controller's handle: takes tasks, and learns each in a few looks at its status."""

    def __init__(self, *, endless: bool = False) -> None:
        self.loop: asyncio.AbstractEventLoop | None = None
        """The application's, which answers."""
        self._endless = endless
        self.clear()
        self.submit = ControllerMethod(self, self._submit)
        self.expansion = ControllerMethod(self, self._expansion)
        self.expansions = ControllerMethod(self, lambda: self._queue.all())
        self.verify = ControllerMethod(self, list)
        self.rollback = ControllerMethod(self, self._rollback)
        self.remove = ControllerMethod(self, self._remove)
        self.proposals = ControllerMethod(self, self._proposals)

    def clear(self) -> None:
        """Forget what happened."""
        self.taken: list[tuple[str, TaskData, Order]] = []
        self.beside: list[dict[str, TaskData]] = []
        """Other data of what was taken."""
        self.pairs: list[NewTask] = []
        self.changes: list[tuple[Any, ...]] = []
        """Rollbacks and removals that were asked for."""
        self.weights: list[bytes | None] = []
        """The files to start from that came along."""
        self.looks = 0
        self._queue = ExpansionQueue(attempts=1, max_waiting=100)

    def _submit(self, tasks: Sequence[NewTask]) -> list[str]:
        return [self._take_in(new) for new in tasks]

    def _take_in(self, new: NewTask) -> str:
        check_concepts([new], Registry())
        self._queue.check_free(new.task, ())
        if isinstance(new.config, Pair):
            self.pairs.append(new)
        self.taken.append((new.task, new.data, new.config))
        self.beside.append(dict(new.beside))
        self.weights.append(new.weights)
        request = f"{len(self.taken):08d}-{new.task}"
        self._queue.add(WaitingTask(request=request, task=new.task, config=new.config))
        return request

    def _rollback(self, task: str, version: int | None) -> Rollback:
        self.changes.append(("rollback", task, version))
        return Rollback(pathway=PathwayId(task, version or 1), network_version=0)

    def _remove(self, task: str, reroot: bool) -> Removal:
        self.changes.append(("remove", task, reroot))
        if not reroot:
            raise TaskInUse(f"task {task} cannot be removed, since others read it")
        return Removal(task=task, network_version=0, dropped=(PathwayId(task),))

    def _proposals(self, most: int) -> list[Proposal]:
        pair = Proposal(task="lower", source="upper", likeness=0.5, accuracy=0.8, promise=0.1)
        return [pair] * most

    def _expansion(self, request: str) -> ExpansionStatus:
        self.looks += 1
        status = self._queue.status(request)
        if status.ended or self._endless:
            return status
        if status.stage is Stage.WAITING:
            self._queue.take()
        elif status.epoch < 2:
            epoch = Progress(epoch=status.epoch + 1, epochs=2, loss=float("nan"), accuracy=0.5)
            self._queue.progress(request, epoch)
        elif isinstance(self.taken[-1][2], Prune):
            self._queue.unchanged(request, "no smaller one is good enough")
        elif "fail" in status.task:
            self._queue.failed(request, "as its name says")
        else:
            self._queue.learned(request, network_version=7)
        return status
