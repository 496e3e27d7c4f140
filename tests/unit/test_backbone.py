"""Backbones of torchvision: cut, filled from a user's file, frozen or fine-tuned."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor
from torch.nn import functional as F

from pathways import (
    FamilyError,
    FrozenPathway,
    LearnConfig,
    PathwayId,
    StoredPathway,
    TrainConfig,
    audio_signature,
    image_signature,
    learn,
    load_source,
)
from pathways.families import make_body
from tests.unit.networks import Sets

SMALL = {"backbone": "resnet18", "size": 32}
HOW = LearnConfig(
    family="torchvision", options=SMALL, shots=8, train=TrainConfig(epochs=2, min_steps=100)
)


@pytest.fixture(scope="module")
def pretrained(sets: Sets) -> dict[str, Tensor]:
    """Weights as a user's file holds them, its classification layer with them. They are random,
    but normalise what comes in, which is enough for features that tell digits apart."""
    torch.manual_seed(1)
    net = torchvision.models.resnet18(weights=None)
    x = torch.from_numpy(sets["digits"][0].x[::2, ::2, ::2]).permute(0, 3, 1, 2) / 255
    with torch.no_grad():
        for part in F.interpolate(x.expand(-1, 3, -1, -1), size=(32, 32)).split(64):
            net((part - 0.45) / 0.225)
    return {name: tensor.detach() for name, tensor in net.state_dict().items()}


@pytest.fixture(scope="module")
def digits(sets: Sets, pretrained: dict[str, Tensor]) -> StoredPathway:
    return learn(PathwayId("digits"), sets["digits"][0], [], HOW, initial=pretrained)


def test_a_frozen_backbone_stays_bit_for_bit_what_was_given(
    digits: StoredPathway, pretrained: dict[str, Tensor]
) -> None:
    given = digits.tensors()
    kept = {n: t for n, t in pretrained.items() if not n.startswith("fc.")}
    for name, tensor in kept.items():
        assert torch.equal(given[f"body.net.{name}"], tensor), name
    assert not any("net.fc" in name for name in given)


def test_a_backbone_learns_verifies_and_lends(
    sets: Sets, digits: StoredPathway, pretrained: dict[str, Tensor]
) -> None:
    test = sets["digits"][1]
    answers = FrozenPathway.load(digits).probabilities(test.x)
    assert (answers.argmax(axis=1) == test.y).mean() > 0.4
    assert FrozenPathway.load(digits).verify().identical
    how = LearnConfig(threshold=0.15, shots=4, train=HOW.train)
    given = learn(PathwayId("lower"), sets["lower"][0], [load_source(digits)], how)
    assert (given.spec.source, given.spec.source_width) == (PathwayId("digits"), 512)
    assert FrozenPathway.load(given, digits).verify().identical


def test_a_fine_tuned_backbone_is_trained_with_its_head(
    sets: Sets, pretrained: dict[str, Tensor]
) -> None:
    options = {**SMALL, "finetune": True}
    how = LearnConfig(
        family="torchvision", options=options, shots=2, train=TrainConfig(epochs=1, min_steps=2)
    )
    given = learn(PathwayId("digits"), sets["digits"][0], [], how, initial=pretrained)
    name = "conv1.weight"
    assert not torch.equal(given.tensors()[f"body.net.{name}"], pretrained[name])
    assert FrozenPathway.load(given).verify().identical
    learn(PathwayId("digits"), sets["digits"][0], [], how)  # from nothing, as was asked


@pytest.mark.parametrize("shape", [(28, 28, 1), (40, 20, 3)])
@pytest.mark.parametrize("finetune", [False, True])
def test_pictures_of_any_size_are_read(shape: tuple[int, int, int], finetune: bool) -> None:
    body = make_body("torchvision", image_signature(*shape), {**SMALL, "finetune": finetune})
    x = torch.randint(0, 256, (3, *shape), dtype=torch.uint8)
    with torch.inference_mode():
        hidden = body.eval()(body.prepare(x))
        torch.testing.assert_close(body(body.prepare(x[:1])), hidden[:1], atol=1e-4, rtol=1e-4)
    assert hidden.shape == (3, body.width) == (3, 512)


@pytest.mark.parametrize(
    ("name", "width"),
    [("mobilenet_v3_small", 1024), ("densenet121", 1024), ("shufflenet_v2_x0_5", 1024)],
)
def test_other_backbones_are_cut_too(name: str, width: int) -> None:
    assert make_body("torchvision", image_signature(), {"backbone": name}).width == width


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"backbone": "resnet19"}, "has no classification model 'resnet19'; it has resnet101"),
        ({"backbone": "nothing"}, "has no classification model 'nothing'; it has alexnet"),
        ({"backbone": "squeezenet1_1"}, "has no linear layer to cut at"),
        ({"backbone": "vit_b_32"}, "vit_b_32 cannot read pictures of 64x64 pixels: .* set the"),
        ({"backbone": "alexnet", "size": 8}, "alexnet cannot read pictures of 8x8 pixels"),
        ({"backbone": "mnasnet0_5"}, "mnasnet0_5 cannot be filled from a file of weights"),
        ({"backbone": "googlenet"}, "googlenet has auxiliary outputs"),
        ({"layers": 3}, "no option 'layers'; its options are backbone, size, finetune"),
    ],
)
@pytest.mark.filterwarnings("ignore:The default weight initialization of GoogleNet")
def test_a_backbone_that_cannot_be_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(FamilyError, match=message):
        make_body("torchvision", image_signature(), options)


def test_inputs_that_no_backbone_reads_are_refused() -> None:
    with pytest.raises(FamilyError, match="images of 1 or 3 channels, got image-28x28x4"):
        make_body("torchvision", image_signature(28, 28, 4))
    with pytest.raises(FamilyError, match="family torchvision reads image inputs"):
        make_body("torchvision", audio_signature())


def test_a_backbone_without_weights_is_refused_unless_it_is_trained(sets: Sets) -> None:
    with pytest.raises(FamilyError, match=r"needs weights to start from: .* option finetune"):
        learn(PathwayId("digits"), sets["digits"][0], [], HOW)


def test_weights_of_another_backbone_are_refused(sets: Sets, pretrained: dict[str, Tensor]) -> None:
    other = LearnConfig(family="torchvision", options={"backbone": "alexnet"})
    with pytest.raises(FamilyError, match=r"not what alexnet needs: it has no features\.0\.weight"):
        learn(PathwayId("digits"), sets["digits"][0], [], other, initial=pretrained)
    name = "conv1.weight"
    changed = {**pretrained, name: torch.ones(3)}
    with pytest.raises(FamilyError, match=r"resnet18 needs: it has conv1\.weight \[3\]"):
        learn(PathwayId("digits"), sets["digits"][0], [], HOW, initial=changed)


def test_weights_fine_tuned_to_other_classes_will_do(
    sets: Sets, pretrained: dict[str, Tensor]
) -> None:
    fewer = {**pretrained, "fc.weight": torch.ones(7, 512)}
    del fewer["fc.bias"]
    learn(PathwayId("digits"), sets["digits"][0], [], HOW, initial=fewer)
