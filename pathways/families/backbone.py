"""A pretrained model of torchvision, cut below its classification layer.

Its weights come from a file that the user gives. Unless it is fine-tuned it stays as it is, and
only a head on its features is learned.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional as F

from pathways.errors import FamilyError
from pathways.families.base import Body, check_refillable
from pathways.signature import Signature
from pathways.weights import fitting_weights

_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet
_BATCH = 64  # pictures whose features are computed at a time; bounds memory


@dataclass(frozen=True, kw_only=True)
class BackboneOptions:
    backbone: str = "resnet18"
    """A classification model of torchvision.models."""
    size: int = 64
    """Pixels each way that pictures are resized to; 224 is what most were trained with."""
    finetune: bool = False
    """Whether the backbone is trained too; else its features are computed once."""


class BackboneBody(Body):
    """Pictures → three channels, resized and normalised → features of the backbone."""

    modalities = ("image",)
    Options = BackboneOptions
    vectorises = False

    def __init__(self, signature: Signature, options: BackboneOptions) -> None:
        super().__init__(signature, options)
        if signature.shape[2] not in (1, 3):
            raise FamilyError(
                f"family torchvision needs images of 1 or 3 channels, got {signature.key}"
            )
        self.net = _made(options.backbone)
        self._last, self.width = _cut(self.net, options.backbone)
        self._mean: Tensor
        self._deviation: Tensor
        for name, values in (("_mean", _MEAN), ("_deviation", _DEVIATION)):
            fixed = torch.tensor(values).view(3, 1, 1)
            self.register_buffer(name, fixed, persistent=False)
        check_refillable(self.net, f"backbone {options.backbone}")
        self._try_out()
        if not options.finetune:
            self.net.requires_grad_(False)

    def prepare(self, x: Tensor) -> Tensor:
        """Features float32 [n, width] that will not change, or pictures to compute them of."""
        if self.options.finetune:
            return x
        with torch.no_grad():
            return torch.cat([self._features(part) for part in x.split(_BATCH)])

    def forward(self, prepared: Tensor) -> Tensor:
        return self._features(prepared) if self.options.finetune else prepared

    def train(self, mode: bool = True) -> Self:
        """What is not fine-tuned keeps the statistics that it normalises by."""
        super().train(mode and self.options.finetune)
        return self

    @classmethod
    def check_start(cls, options: BackboneOptions, *, given: bool) -> None:
        if not given and not options.finetune:
            raise FamilyError(
                "family torchvision needs weights to start from: give a safetensors file "
                "(`--weights`), or train the backbone from nothing with the option finetune"
            )

    def begin_from(self, weights: Mapping[str, Tensor]) -> None:
        """Takes the whole model's weights; those of its last layer are passed over."""
        below = {n: t for n, t in weights.items() if not n.startswith(f"{self._last}.")}
        self.net.load_state_dict(
            fitting_weights(below, self.net.state_dict(), self.options.backbone)
        )

    def _features(self, x: Tensor) -> Tensor:
        pictures = x.permute(0, 3, 1, 2).float().expand(-1, 3, -1, -1) / 255
        resized = F.interpolate(
            pictures, size=(self.options.size,) * 2, mode="bilinear", antialias=True
        )
        features: Tensor = self.net((resized - self._mean) / self._deviation)
        return features

    @torch.no_grad()
    def _try_out(self) -> None:
        """Raises FamilyError if the backbone cannot read pictures of this size."""
        name, size = self.options.backbone, self.options.size
        self.net.eval()
        try:
            given = self._features(torch.zeros(1, *self.signature.shape, dtype=torch.uint8))
        except (RuntimeError, AssertionError, ValueError) as error:
            raise FamilyError(
                f"backbone {name} cannot read pictures of {size}x{size} pixels: {error}; set the "
                "option size (224 suits most)"
            ) from error
        if given.shape != (1, self.width):
            raise FamilyError(
                f"backbone {name} gives {list(given.shape)} below its last layer, not "
                f"[1, {self.width}]; take another"
            )
        self.train()


def _made(name: str) -> nn.Module:
    known = torchvision.models.list_models(module=torchvision.models)
    if name not in known:
        near = [other for other in known if other[:4] == name[:4]] or known
        raise FamilyError(
            f"torchvision has no classification model {name!r}; it has {', '.join(near)}"
        )
    net: nn.Module = torchvision.models.get_model(name, weights=None)
    if any("aux" in at.lower() for at, _ in net.named_modules()):
        raise FamilyError(f"backbone {name} has auxiliary outputs; take another")
    return net


def _cut(net: nn.Module, name: str) -> tuple[str, int]:
    """Take the last linear layer out; returns its name and how many features it read."""
    linear = [(at, m) for at, m in net.named_modules() if isinstance(m, nn.Linear)]
    if not linear:
        raise FamilyError(f"backbone {name} has no linear layer to cut at; take another")
    at, last = linear[-1]
    parent, _, own = at.rpartition(".")
    setattr(net.get_submodule(parent), own, nn.Identity())
    return at, last.in_features
