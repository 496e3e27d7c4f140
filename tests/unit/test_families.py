"""Families of models: the paper's sizes, and what is refused."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from torch import Tensor

from pathways import (
    FamilyError,
    Signature,
    audio_signature,
    image_signature,
    table_signature,
    text_signature,
)
from pathways.families import FAMILIES, default_family, make_body, plain_options
from pathways.families.fitted import FittedBody
from pathways.families.lstm import LstmBody
from pathways.model import PathwayModel, parameter_count

IMAGE, SOUND = image_signature(), audio_signature()
ROW, TEXT = table_signature(7), text_signature(12, 50)
MADE_FOR = {"lstm": SOUND, "melcnn": SOUND, "bag": TEXT}


def batch(signature: Signature, n: int = 3) -> Tensor:
    torch.manual_seed(0)
    if signature.modality == "image":
        return torch.randint(0, 256, (n, *signature.shape), dtype=torch.uint8)
    if signature.modality == "text":
        return torch.randint(0, signature.vocabulary, (n, *signature.shape), dtype=torch.int32)
    return torch.rand(n, *signature.shape) * 2 - 1


def test_the_mlp_has_the_paper_s_784_128_10_weights() -> None:
    model = PathwayModel(make_body("mlp", IMAGE), classes=10)
    assert [tuple(p.shape) for p in model.parameters()] == [(128, 784), (128,), (10, 128), (10,)]
    assert parameter_count(model) == 101_770


def test_the_lstm_has_the_paper_s_sizes() -> None:
    body = make_body("lstm", SOUND)
    assert isinstance(body, LstmBody)
    assert (body.lstm.input_size, body.lstm.hidden_size) == (64, 500)
    assert [tuple(p.shape) for p in body.layers.parameters()] == [
        (128, 500),
        (128,),
        (64, 128),
        (64,),
    ]
    by_hand = 4 * 500 * (64 + 500 + 2) + 501 * 128 + 129 * 64 + 65 * 10
    assert parameter_count(PathwayModel(body, classes=10)) == by_hand == 1_205_034


def test_the_cnn_has_three_convolutions_and_a_hidden_layer() -> None:
    body = make_body("cnn", IMAGE, {"channels": 8, "hidden": 48})
    weights = 9 * (1 * 8 + 8 * 16 + 16 * 32) + 32 * 3 * 3 * 48
    by_hand = weights + 2 * (8 + 16 + 32 + 48)  # scale and shift of every normalised channel
    assert parameter_count(body) == by_hand


@pytest.mark.parametrize(
    ("family", "signature", "options"),
    [
        ("mlp", IMAGE, {"hidden": 8}),
        ("mlp", image_signature(5, 3, 3), {"hidden": 8}),
        ("cnn", image_signature(30, 21, 3), {"channels": 2, "hidden": 8}),
        ("cnn", image_signature(8, 8), {"channels": 2, "hidden": 8}),
        ("lstm", SOUND, {"units": 8, "hidden": 8, "width": 8}),
        ("lstm", audio_signature(16_000, 4_000), {"bands": 20, "units": 4, "width": 8}),
        ("melcnn", SOUND, {"channels": 2, "hidden": 8}),
        ("melcnn", audio_signature(16_000, 4_000), {"bands": 16, "frames": 24, "hidden": 8}),
        ("mlp", ROW, {"hidden": 8}),
        ("bag", TEXT, {"embedding": 5, "hidden": 8}),
    ],
)
def test_a_body_gives_as_many_hidden_units_as_it_says(
    family: str, signature: Signature, options: dict[str, Any]
) -> None:
    body = make_body(family, signature, options)
    hidden = body(body.prepare(batch(signature)))
    assert hidden.shape == (3, body.width) == (3, 8)
    assert hidden.dtype == torch.float32
    assert hidden.isfinite().all()
    assert hidden.min() >= 0, "every family ends in a ReLU"


@pytest.mark.parametrize(
    ("family", "signature"),
    [
        ("mlp", IMAGE),
        ("mlp", ROW),
        ("cnn", IMAGE),
        ("lstm", SOUND),
        ("melcnn", SOUND),
        ("bag", TEXT),
    ],
)
def test_an_input_s_hidden_units_do_not_depend_on_the_batch(
    family: str, signature: Signature
) -> None:
    body = make_body(family, signature).eval()
    x = batch(signature, n=4)
    with torch.inference_mode():
        torch.testing.assert_close(body(body.prepare(x))[:1], body(body.prepare(x[:1])))


def test_options_left_out_take_the_defaults_and_are_told() -> None:
    assert plain_options(make_body("mlp", IMAGE).options) == {"hidden": 128}
    assert plain_options(make_body("cnn", IMAGE, {"hidden": 7}).options) == {
        "channels": 16,
        "hidden": 7,
    }


def test_the_default_family_suits_the_modality() -> None:
    assert default_family(IMAGE) == "mlp"
    assert default_family(SOUND) == "melcnn"
    assert default_family(ROW) == "mlp"
    assert default_family(TEXT) == "bag"


def test_the_known_families_are_sorted_and_can_be_made() -> None:
    assert list(FAMILIES) == sorted(FAMILIES)
    for family in FAMILIES:
        body = make_body(family, MADE_FOR.get(family, IMAGE))
        assert body.width > 0 or isinstance(body, FittedBody), (
            "what is to be fitted has no size yet"
        )


def test_an_unknown_family_is_refused_with_the_known_ones() -> None:
    with pytest.raises(FamilyError, match=r"unknown family 'vit'; known are bag, cnn, .*, and mod"):
        make_body("vit", IMAGE)


@pytest.mark.parametrize(
    ("family", "signature", "message"),
    [
        ("lstm", IMAGE, "family lstm reads audio .* image-28x28x1; use mlp"),
        ("mlp", SOUND, "family mlp reads image .* audio-8000hz-8000; use melcnn"),
        ("cnn", SOUND, "family cnn reads image .* audio-8000hz-8000; use melcnn"),
        ("cnn", ROW, "family cnn reads image .* table-7; use mlp"),
        ("mlp", TEXT, "family mlp reads image and table .* text-12-of-50; use bag"),
    ],
)
def test_a_family_for_another_kind_of_input_is_refused(
    family: str, signature: Signature, message: str
) -> None:
    with pytest.raises(FamilyError, match=message):
        make_body(family, signature)


def test_an_unknown_option_is_refused_with_the_known_ones() -> None:
    with pytest.raises(FamilyError, match=r"lstm has no option 'layers'; .* bands, units, hidden"):
        make_body("lstm", SOUND, {"layers": 2})


@pytest.mark.parametrize(
    ("family", "option", "value", "wanted"),
    [
        ("svm", "c", 0, "a number above 0"),
        ("svm", "c", float("nan"), "a number above 0"),
        ("svm", "c", float("inf"), "a number above 0"),
        ("svm", "c", "10", "a number above 0"),
        ("svm", "c", True, "a number above 0"),
        ("torchvision", "backbone", 18, "a text"),
        ("torchvision", "backbone", "", "a text"),
        ("torchvision", "finetune", 1, "true or false"),
        ("mlp", "hidden", [8], "1 or more"),
        ("mlp", "hidden", 10**9, "1,000,000 at most"),
    ],
)
def test_an_option_of_another_type_is_refused(
    family: str, option: str, value: Any, wanted: str
) -> None:
    message = f"option {option} of family {family} must be {wanted}, got {value!r}"
    with pytest.raises(FamilyError, match=re.escape(message)):
        make_body(family, IMAGE, {option: value})


def test_a_whole_number_is_a_number() -> None:
    assert make_body("svm", IMAGE, {"c": 3}).options.c == 3


@pytest.mark.parametrize("value", [0, -1, 1.5, "128", True, None])
def test_an_option_that_is_no_positive_integer_is_refused(value: Any) -> None:
    with pytest.raises(
        FamilyError, match=f"option hidden of family mlp must be 1 or more, got {value!r}"
    ):
        make_body("mlp", IMAGE, {"hidden": value})


def test_the_cnn_refuses_images_that_pooling_would_empty() -> None:
    with pytest.raises(FamilyError, match="at least 8x8 pixels, got image-7x28x1"):
        make_body("cnn", image_signature(7, 28))
