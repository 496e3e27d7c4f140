"""How much of the network one forward pass touches (§3.5, §4.6)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import nn
from torch.nn.modules.module import register_module_forward_hook

from pathways import FrozenPathway, TaskData


def active_share(pathway: FrozenPathway, data: TaskData, network: Iterable[FrozenPathway]) -> float:
    """Share of the weights of `network` that answering one input of `data` reads, 0..1.

    Counted while it happens: the weights of every module that is run, each once.
    """
    touched: dict[int, int] = {}

    def count(module: nn.Module, inputs: Any, output: Any) -> None:
        touched.update({id(w): w.numel() for w in module.parameters(recurse=False)})

    hook = register_module_forward_hook(count)
    try:
        pathway.probabilities(data.x[:1])
    finally:
        hook.remove()
    return sum(touched.values()) / sum(each.spec.parameters for each in network)
