"""Where models compute: on a GPU in a process that has a share of one, else on the CPU.

A model computes where its weights are. What it reads is moved there and what it answers is moved
back; whatever is stored, sent to another process or lent is on the CPU.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from typing import TypeVar

import torch
from torch import Tensor, nn

logger = logging.getLogger(__name__)

CPU = torch.device("cpu")
GPU = torch.device("cuda", 0)
"""The first that this process sees: Ray shows it those it has a share of."""

_Module = TypeVar("_Module", bound=nn.Module)


def choose_device(gpus: float) -> torch.device:
    """What a process computes on to which so many GPUs, or such a share of one, were given.

    Where torch cannot use the GPU it is the CPU, and the log says why: a network that answers
    slowly is better than one that does not. On a GPU float32 is computed as such, not rounded to
    TF32, so that answers are the CPU's but for rounding.
    """
    if not gpus:
        return CPU
    if (wrong := gpu_problem()) is not None:
        logger.warning("a share of a GPU is reserved, but the CPU computes: %s", wrong)
        return CPU
    torch.backends.fp32_precision = "ieee"  # type: ignore[attr-defined]  # made at run time
    logger.info("computes on %s", torch.cuda.get_device_name(GPU))
    return GPU


def gpu_problem() -> str | None:
    """Why this process cannot compute on a GPU; None if it can, which is tried out."""
    if torch.version.cuda is None:
        return f"torch {torch.__version__} is built without CUDA; install a build with it"
    if not torch.cuda.is_available():
        return (
            f"torch {torch.__version__} sees no GPU it can use; is NVIDIA's driver installed, and "
            f"new enough for CUDA {torch.version.cuda} (`nvidia-smi` tells)?"
        )
    try:
        torch.ones(2, device=GPU).sum().item()
    except RuntimeError as error:
        return f"{torch.cuda.get_device_name(GPU)} does not compute: {error}"
    return None


def device_of(module: nn.Module) -> torch.device:
    """Where its weights are; one without any is on the CPU."""
    first = next(chain(module.parameters(), module.buffers()), None)
    return CPU if first is None else first.device


def on_device(module: _Module, device: torch.device) -> _Module:
    """The module itself if it is there, else a copy that is."""
    if device_of(module) == device:
        return module
    moved: _Module = copy.deepcopy(module).to(device)
    return moved


@contextmanager
def own_randomness(device: torch.device) -> Iterator[None]:
    """What is seeded and drawn inside, on the CPU or `device`, changes nothing outside."""
    gpus = [device] if device.type == GPU.type else []
    with torch.random.fork_rng(devices=gpus):
        yield


def random_state(device: torch.device) -> tuple[Tensor, ...]:
    """Of torch's generators of the CPU and of `device`."""
    states = (torch.get_rng_state(),)
    return (*states, torch.cuda.get_rng_state(device)) if device.type == GPU.type else states


def restore_randomness(states: tuple[Tensor, ...], device: torch.device) -> None:
    """Go on where `random_state` was asked."""
    torch.set_rng_state(states[0])
    if device.type == GPU.type:
        torch.cuda.set_rng_state(states[1], device)
