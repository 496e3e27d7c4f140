"""Random changes of training inputs: small, each its own, repeatable."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from pathways import (
    FrozenPathway,
    LearnConfig,
    PathwayId,
    TrainConfig,
    audio_signature,
    image_signature,
    learn,
)
from pathways.augmentation import vary
from pathways.data.embedded import embedded_task
from pathways.signature import Signature
from tests.unit.networks import Sets

IMAGE, COLOUR, SOUND = image_signature(), image_signature(20, 12, 3), audio_signature(8_000, 2_000)


def batch(signature: Signature, n: int = 6) -> Tensor:
    torch.manual_seed(1)
    if signature.modality == "image":
        return torch.randint(0, 256, (n, *signature.shape), dtype=torch.uint8)
    return torch.rand(n, *signature.shape) - 0.5


@pytest.mark.parametrize("signature", [IMAGE, COLOUR, SOUND])
def test_shape_is_kept_and_every_input_changed_its_own_way(signature: Signature) -> None:
    x = batch(signature)[:1].expand(6, *signature.shape)
    given = vary(x, signature)
    assert given.shape == x.shape
    assert given.dtype == torch.float32
    assert given.isfinite().all()
    assert len(torch.unique(given.flatten(1), dim=0)) == 6


@pytest.mark.parametrize("signature", [IMAGE, SOUND])
def test_a_seed_repeats_the_changes(signature: Signature) -> None:
    x = batch(signature)
    torch.manual_seed(5)
    first = vary(x, signature)
    torch.manual_seed(5)
    assert torch.equal(vary(x, signature), first)


def test_images_keep_their_range_and_move_by_a_few_pixels() -> None:
    x = torch.zeros(200, 28, 28, 1)
    x[:, 14, 14] = 255
    given = vary(x, IMAGE)
    assert 0 <= given.min() <= given.max() <= 255
    places = given.flatten(1).argmax(dim=1)
    rows, columns = places // 28, places % 28
    assert (rows - 14).abs().max() <= 3
    assert (columns - 14).abs().max() <= 3
    assert rows.unique().numel() > 2
    assert columns.unique().numel() > 2


def test_silence_stays_silence() -> None:
    assert not vary(torch.zeros(3, 2_000), SOUND).any()


def test_varied_examples_are_harder_to_learn_by_heart(sets: Sets) -> None:
    train = TrainConfig(epochs=30, min_steps=0)
    plain = LearnConfig(family="mlp", shots=5, train=train)
    varied = replace(plain, train=replace(train, augment=True))
    by_heart, not_by_heart = (
        learn(PathwayId("digits"), sets["digits"][0], [], how).spec.training
        for how in (plain, varied)
    )
    assert by_heart.train_accuracy > not_by_heart.train_accuracy


def test_a_sound_family_of_few_examples_learns_from_varied_recordings() -> None:
    train, test = embedded_task("spoken", train_per_class=8, test_per_class=6, seed=0)
    how = LearnConfig(
        family="melcnn",
        options={"channels": 8, "hidden": 32},
        train=TrainConfig(epochs=1, min_steps=80, batch_size=32, augment=True),
    )
    pathway = FrozenPathway.load(learn(PathwayId("spoken"), train, [], how))
    assert (pathway.probabilities(test.x).argmax(axis=1) == test.y).mean() > 0.5  # chance is 0.1
    assert pathway.verify().identical
