"""A pathway's model: its own body and head, the part of the head that reads a source, and how its
outputs are read."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pathways.device import CPU
from pathways.families import Body
from pathways.outputs import Output, make_output


class PathwayModel(nn.Module):
    """logits = head(own hidden units) + link(hidden units of one frozen source).

    The link is a lateral connection (§3.3): it starts from the source head's rows for the
    linked classes. The source itself is no part of this module; its hidden units come in as
    an argument, so that its weights are neither copied nor trained.
    """

    def __init__(
        self, body: Body, classes: int, source_width: int = 0, output: Output = "classes"
    ) -> None:
        super().__init__()
        self.body = body
        self.output = make_output(output, classes)
        width = self.output.width
        self.head = nn.Linear(body.width, width)
        self.link = nn.Linear(source_width, width, bias=False) if source_width else None

    def forward(self, prepared: Tensor, source_hidden: Tensor | None = None) -> Tensor:
        """Raw outputs float32 [n, output.width], logits of classes; source_hidden is
        [n, source width] if there is a link."""
        return self.combine(self.head(self.body(prepared)), source_hidden)

    def combine(self, own_logits: Tensor, source_hidden: Tensor | None) -> Tensor:
        """Add what the link says to the logits of the own head."""
        if self.link is None:
            return own_logits
        assert source_hidden is not None, "a linked pathway needs its source's hidden units"
        linked: Tensor = own_logits + self.link(source_hidden)
        return linked


def freeze(module: nn.Module) -> None:
    """Algorithm 1, step 4: nothing in `module` is trained from here on."""
    module.eval()
    module.requires_grad_(False)


def parameter_count(module: nn.Module) -> int:
    """Number of weights, biases included."""
    return sum(p.numel() for p in module.parameters())


def as_tensor(x: NDArray[Any], device: torch.device = CPU) -> Tensor:
    """On the CPU a tensor over the array's memory; over a copy if it is read-only, as Ray's arrays
    are. On another device a copy there."""
    return torch.from_numpy(np.require(x, requirements=["C", "W"])).to(device)


@torch.inference_mode()
def hidden_in_batches(body: Body, prepared: Tensor, batch: int = 1024) -> Tensor:
    """Hidden units [n, width] of a frozen body over a whole data set."""
    return torch.cat([body(part) for part in prepared.split(batch)])
