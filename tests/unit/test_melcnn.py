"""The convolutional audio family: what its pictures leave out, and what they keep."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from pathways import FamilyError, audio_signature
from pathways.families import make_body

SOUND = audio_signature(8_000, 8_000)


def word(start: int, length: int, loudness: float = 0.5) -> Tensor:
    """A rising tone in silence, float32 [1, 8000]."""
    wave = torch.zeros(1, 8_000)
    time = torch.arange(length) / length
    wave[0, start : start + length] = loudness * torch.sin(
        2 * math.pi * (300 * time + 600 * time**2) * length / 8_000
    )
    return wave


def picture(wave: Tensor) -> Tensor:
    return make_body("melcnn", SOUND).prepare(wave)


def test_a_picture_has_the_sizes_of_the_options() -> None:
    body = make_body("melcnn", SOUND, {"bands": 16, "frames": 32})
    assert body.prepare(torch.rand(3, 8_000) - 0.5).shape == (3, 1, 16, 32)


def test_loudness_and_place_make_no_difference() -> None:
    plain = picture(word(800, 4_000))
    torch.testing.assert_close(picture(word(800, 4_000, 0.25)), plain, atol=0.05, rtol=0)
    torch.testing.assert_close(picture(word(2_400, 4_000)), plain, atol=0.05, rtol=0)


def test_pace_makes_little_difference_and_direction_much() -> None:
    plain = picture(word(800, 5_000))
    slower = (picture(word(800, 6_000)) - plain).abs().mean()
    backwards = (picture(word(800, 5_000).flip(1)) - plain).abs().mean()
    assert backwards > 2 * slower


def test_rows_do_not_depend_on_each_other() -> None:
    waves = torch.cat([word(0, 3_000), word(1_000, 6_000, 0.1), torch.zeros(1, 8_000)])
    together = picture(waves)
    for row in range(3):
        torch.testing.assert_close(together[row : row + 1], picture(waves[row : row + 1]))


def test_silence_gives_finite_hidden_units() -> None:
    body = make_body("melcnn", SOUND).eval()
    assert body(body.prepare(torch.zeros(2, 8_000))).isfinite().all()


def test_only_training_changes_pictures_at_random() -> None:
    body = make_body("melcnn", SOUND).eval()
    prepared = body.prepare(word(800, 4_000).expand(4, -1))
    assert torch.equal(body(prepared), body(prepared))
    body.train()
    assert not torch.equal(body(prepared), body(prepared))


def test_too_small_a_picture_is_refused() -> None:
    with pytest.raises(FamilyError, match="at least 8 bands and frames, got 4 and 48"):
        make_body("melcnn", SOUND, {"bands": 4})
