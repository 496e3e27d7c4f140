"""A task on its way to the network: what the client sees to, and what it leaves to the workers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from cluster.asking import learning
from pathways import FamilyError, LearnConfig
from pathways.weights import pack
from tests.unit.networks import Sets

OWN = LearnConfig(family="tests.unit.own_modules:Returns", options={"what": "hidden"})
WEIGHTS = pack({"layer.weight": torch.zeros(2, 2)})


def test_weights_are_handed_over_as_they_are(sets: Sets, tmp_path: Path) -> None:
    data, path = sets["digits"][1], tmp_path / "net.safetensors"
    path.write_bytes(WEIGHTS)
    for weights in (path, str(path), WEIGHTS):
        assert learning("digits", data, OWN, weights).weights == WEIGHTS
    assert learning("digits", data, OWN).weights is None


@pytest.mark.parametrize("weights", ["nowhere.safetensors", b"PK"])
def test_weights_that_cannot_be_read_are_refused(sets: Sets, weights: Any) -> None:
    with pytest.raises(FamilyError, match=r"cannot read|is no safetensors file"):
        learning("digits", sets["digits"][1], OWN, weights)


@pytest.mark.parametrize(
    ("how", "weights", "message"),
    [
        (LearnConfig(family="vit"), None, "unknown family 'vit'"),
        (LearnConfig(options={"units": 3}), None, "family mlp has no option 'units'"),
        (LearnConfig(), WEIGHTS, "leave the file out"),
        (LearnConfig(family="torchvision"), None, "needs weights to start from"),
        (LearnConfig(family="tests.unit.own_modules:Returns"), None, "argument: 'what'"),
        (LearnConfig(family="svm", shots=0), None, "cannot be learned from links alone"),
    ],
)
def test_what_cannot_be_learned_is_refused_before_it_is_sent(
    sets: Sets, how: LearnConfig, weights: bytes | None, message: str
) -> None:
    with pytest.raises(FamilyError, match=message):
        learning("digits", sets["digits"][1], how, weights)


def test_a_module_that_only_the_workers_have_is_left_to_them(sets: Sets) -> None:
    how = LearnConfig(family="nowhere.at_all:Net", options={"width": 3})
    assert learning("digits", sets["digits"][1], how).config == how
