"""Rolling update: the processes of a running network change over to the code that is on the disks
of its nodes now. What is resident stays in service.

The controller is ended and starts anew, as after a crash; dispatchers go on with what they know.
It finds the slots that run older code, and has each of them replaced: a new one is started, loads
what was in it, and only then the old one ends.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import ray
from ray.exceptions import ActorDiedError, ActorUnavailableError, RayError

from cluster.calls import result
from cluster.errors import SenError
from cluster.messages import Rollout
from cluster.names import DISPATCHER, NAMESPACE
from cluster.ray_nodes import alive, on_node

_TRY_S = 120.0
_RESTART_S = 300.0  # a large network's registry and routers take a while
_STALLED_S = 300.0
_POLL_S = 0.5


def check_code(modules: Sequence[str], store: str) -> str:
    """The code on the disks of all nodes of the joined cluster.

    modules: that are tried to import on each, in a fresh process, which also reads the registry in
    the store. Raises SenError, with nothing changed, if nodes have different code, or code that
    does not start, or do not answer.
    """
    asked = {
        node["NodeManagerAddress"]: on_node(node["NodeID"], try_code).remote(modules, store)
        for node in alive()
    }
    try:
        told = ray.get(list(asked.values()), timeout=_TRY_S)
    except RayError as error:
        raise SenError(
            f"not all nodes ({', '.join(asked)}) could try the new code, so nothing was changed: "
            f"{error}"
        ) from error
    return agreed(dict(zip(asked, told, strict=True)))


def try_code(modules: Sequence[str], store: str) -> tuple[str | None, str]:
    """The code on this machine's disk, or None and why it does not start."""
    script = f"""
import {", ".join(modules)}
from cluster.code import LOADED
from cluster.registry_log import RegistryLog
from cluster.store import Store

RegistryLog(Store.open({store!r})).load()
print(LOADED)
"""
    # -P: not from the folder it happens to run in, but from where Ray's workers have theirs.
    command = [sys.executable, "-P", "-c", script]
    where = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, env=where, capture_output=True, text=True)
    said = (done.stderr if done.returncode else done.stdout).strip().splitlines() or ["no reason"]
    return (None, said[-1]) if done.returncode else (said[-1], "")


def agreed(found: dict[str, tuple[str | None, str]]) -> str:
    """The code that every node has, given each one's as `try_code` tells it; raises SenError."""
    broken = [f"{node}: {why}" for node, (code, why) in found.items() if code is None]
    if broken:
        raise SenError(f"the new code does not start, so nothing was changed ({'; '.join(broken)})")
    codes = Counter(code for code, _ in found.values())
    [(most, _), *others] = codes.most_common()
    if others:
        each = ", ".join(f"{node} has {code}" for node, (code, _) in sorted(found.items()))
        raise SenError(
            f"nodes have different code, so nothing was changed: {each}; copy the same to all, "
            "with `ray rsync-up --all-nodes` for example (docs/clusters.md), and try again"
        )
    assert most is not None
    return most


def restart_controller(controller: Any, code: str) -> None:
    """Have the controller run this code; returns once it does. Raises SenError if it cannot."""
    before: Rollout = result(controller.rollout.remote())
    if before.code == code:
        return
    ray.kill(controller, no_restart=False)
    until = time.monotonic() + _RESTART_S
    while (now := _answer_of(controller)) is None or now.process == before.process:
        if time.monotonic() > until:
            raise SenError(f"the controller did not start anew within {_RESTART_S:g} s")
        time.sleep(_POLL_S)
    if now.code != code:
        raise SenError(
            f"the controller runs code {now.code}, and not {code}, which is installed: call "
            "`sen update` in the folder in which `sen up` was called, as code is looked for there "
            "first"
        )


def _answer_of(controller: Any) -> Rollout | None:
    """What it runs, or None as long as it does not answer."""
    try:
        answer: Rollout = ray.get(controller.rollout.remote())
    except ActorUnavailableError:
        return None
    except ActorDiedError as error:
        raise SenError(
            f"the controller does not start with the new code: {error}; what is resident is still "
            "served. `sen down`, then `sen up` with code that starts, bring all back"
        ) from error
    return answer


def restart_dispatcher() -> None:
    """Have the dispatcher of Python clients start anew, if there is one."""
    try:
        dispatcher = ray.get_actor(DISPATCHER, namespace=NAMESPACE)
    except ValueError:
        return
    ray.kill(dispatcher, no_restart=False)


def replacing_slots(controller: Any) -> Iterator[Rollout]:
    """Where the controller is with replacing slots that run older code, until none does. Raises
    SenError if it does not get on."""
    least, since = sys.maxsize, time.monotonic()
    while True:
        now: Rollout = result(controller.rollout.remote())
        yield now
        if not now.outdated:
            return
        if now.outdated < least:
            least, since = now.outdated, time.monotonic()
        elif time.monotonic() > since + _STALLED_S:
            raise SenError(
                f"{now.outdated} slots still run older code, and none was replaced for "
                f"{_STALLED_S:g} s; see `sen logs --errors`"
            )
        time.sleep(_POLL_S)
