"""Facts about the machines of a network: what `diagnosis` decides upon."""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil
import ray

from cluster.code import on_disk
from cluster.diagnosis import NodeFacts
from cluster.errors import StoreError
from cluster.ray_nodes import alive, on_node
from cluster.store import Store

_PACKAGES = ("sen-ray", "ray", "torch", "torchvision", "torchaudio", "numpy", "safetensors")
_TIMEOUT_S = 60.0


def examine_here(store: str | None, node: str = "here", gpus: float = 0.0) -> NodeFacts:
    """Facts about the machine that this runs on; store: to try, or None; gpus: that Ray counts."""
    shm = Path("/dev/shm")
    return NodeFacts(
        node=node,
        versions={
            "python": platform.python_version(),
            "code": on_disk(),
            **{package: _version(package) for package in _PACKAGES},
        },
        memory_bytes=psutil.virtual_memory().available,
        disk_bytes=shutil.disk_usage(tempfile.gettempdir()).free,
        shm_bytes=shutil.disk_usage(shm).free if shm.exists() else None,
        gpus=gpus,
        gpu_error=_try_gpu() if gpus else None,
        store_error=_try_store(store) if store else None,
    )


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "missing"


def _try_gpu() -> str | None:
    """Why torch cannot compute on a GPU here, or None.

    In a process of its own, as the one that asked would keep some of the GPU's memory.
    """
    ask = "from pathways.device import gpu_problem; print(gpu_problem() or '')"
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True)
    return done.stdout.strip() or (done.stderr.strip()[-300:] if done.returncode else None)


def _try_store(uri: str) -> str | None:
    """Write, read and remove an object; why that failed, or None."""
    name = f"probe-{uuid.uuid4().hex}"
    try:
        store = Store.open(uri)
        store.write_new(name, name.encode())
        read = store.read(name)
        store.delete([name])
    except StoreError as error:
        return str(error)
    return None if read == name.encode() else f"{store.path(name)} is not what was written"


def examine_nodes(store: str | None) -> Sequence[NodeFacts]:
    """Facts about every node of the joined cluster, each told by itself."""
    asked = {}
    for node in alive():
        examine = on_node(node["NodeID"], examine_here)
        gpus = node["Resources"].get("GPU", 0.0)
        asked[node["NodeID"]] = examine.remote(store, node["NodeManagerAddress"], gpus)
    facts = dict(zip(asked, ray.get(list(asked.values()), timeout=_TIMEOUT_S), strict=True))
    return [_with_clock(each, node) for node, each in facts.items()]


def _with_clock(facts: NodeFacts, node: str) -> NodeFacts:
    """How far a node's clock is ahead, by asking it for the time; its worker runs already."""
    ask = on_node(node, _now)
    start = time.time()
    there = ray.get(ask.remote(), timeout=_TIMEOUT_S)
    half = (time.time() - start) / 2
    return replace(facts, clock_s=there - (start + half), clock_error_s=half)


def _now() -> float:
    return time.time()
