"""Fixed features: the same everywhere, independent of the batch, and of some use."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from dispatcher import FeatureError, make_features
from dispatcher.image_features import _filter_banks

KINDS = [
    ("image", (28, 28, 1), 0),
    ("image", (40, 32, 3), 0),
    ("image", (5, 9, 1), 0),
    ("audio", (8_000,), 8_000),
    ("audio", (100,), 16_000),
    ("table", (3,), 0),
    ("table", (100,), 0),
    ("text", (40,), 0),
    ("text", (1,), 0),
]


def inputs(modality: str, shape: tuple[int, ...], n: int = 5) -> NDArray[np.generic]:
    random = np.random.default_rng(0)
    if modality == "image":
        return random.integers(0, 256, (n, *shape), dtype=np.uint8)
    if modality == "text":
        return random.integers(0, 5_000, (n, *shape), dtype=np.int32)
    return random.standard_normal((n, *shape)).astype(np.float32) * 0.1


@pytest.mark.parametrize(("modality", "shape", "rate_hz"), KINDS)
def test_features_have_their_length_and_are_finite(
    modality: str, shape: tuple[int, ...], rate_hz: int
) -> None:
    features = make_features(modality, shape, rate_hz, dim=200)
    result = features(inputs(modality, shape))
    assert result.shape == (5, features.dim) == (5, 200)
    assert result.dtype == np.float32
    assert np.isfinite(result).all()
    assert features(inputs(modality, shape)[:0]).shape == (0, 200)


@pytest.mark.parametrize(("modality", "shape", "rate_hz"), KINDS)
def test_features_are_the_same_in_two_instances_and_differ_between_seeds(
    modality: str, shape: tuple[int, ...], rate_hz: int
) -> None:
    x = inputs(modality, shape)
    first, second, other = (make_features(modality, shape, rate_hz, seed=s)(x) for s in (3, 3, 4))
    np.testing.assert_array_equal(first, second)
    assert np.abs(first - other).max() > 1e-3


def test_random_parameters_are_the_same_on_every_machine() -> None:
    first_row = _filter_banks(1, seed=0)[0][0, 0, 0]
    np.testing.assert_allclose(
        first_row, [0.099904, -0.011468, 0.109055, 0.293851, 0.10789], atol=1e-6
    )


@pytest.mark.parametrize(("modality", "shape", "rate_hz"), KINDS)
def test_a_row_does_not_depend_on_its_batch(
    modality: str, shape: tuple[int, ...], rate_hz: int
) -> None:
    features = make_features(modality, shape, rate_hz, dim=300)
    x = inputs(modality, shape, n=300)
    np.testing.assert_allclose(features(x)[[0, 299]], features(x[[0, 299]]), atol=2e-5)


@pytest.mark.parametrize("blank", [0, 255])
def test_blank_images_and_silence_have_features(blank: int) -> None:
    image = make_features("image", (28, 28, 1))(np.full((1, 28, 28, 1), blank, np.uint8))
    clip = make_features("audio", (8_000,), 8_000)(np.zeros((1, 8_000), np.float32))
    assert np.isfinite(image).all()
    assert np.isfinite(clip).all()


def test_read_only_arrays_are_taken() -> None:
    x = inputs("image", (28, 28, 1))
    x.flags.writeable = False
    assert make_features("image", (28, 28, 1))(x).shape[0] == 5


def test_the_volume_of_a_clip_does_not_matter() -> None:
    features = make_features("audio", (8_000,), 8_000)
    clip = np.asarray(inputs("audio", (8_000,), n=1), dtype=np.float32)
    np.testing.assert_allclose(features(clip), features(clip / 8), atol=1e-4)


@pytest.mark.parametrize(
    ("modality", "shape", "rate_hz", "dim"),
    [
        ("video", (28, 28, 1), 0, 500),
        ("image", (28, 28), 0, 500),
        ("audio", (8_000,), 0, 500),
        ("audio", (8_000, 2), 8_000, 500),
        ("table", (3, 2), 0, 500),
        ("text", (), 0, 500),
        ("image", (28, 28, 1), 0, 32),
    ],
)
def test_impossible_signatures_are_refused(
    modality: str, shape: tuple[int, ...], rate_hz: int, dim: int
) -> None:
    with pytest.raises(FeatureError):
        make_features(modality, shape, rate_hz, dim=dim)


def test_inputs_of_another_shape_or_type_are_refused() -> None:
    features = make_features("image", (28, 28, 1))
    with pytest.raises(FeatureError, match="28, 28, 1"):
        features(np.zeros((2, 28, 27, 1), dtype=np.uint8))
    with pytest.raises(FeatureError, match="float32"):
        features(np.zeros((2, 28, 28, 1), dtype=np.float32))


def test_columns_of_any_scale_have_features_that_tell_rows_apart() -> None:
    features = make_features("table", (1,))
    values = np.array([[0], [1e-4], [1e-2], [1], [1.5], [1e6], [1.5e6], [-1e6], [3e38]], np.float32)
    given = features(values)
    apart = np.linalg.norm(given[1:] - given[:-1], axis=1)
    assert np.isfinite(given).all()
    assert apart.min() > 0.05


def test_padding_and_the_order_of_tokens_do_not_matter() -> None:
    features = make_features("text", (6,))
    x = np.array([[3, 9, 9, 0, 0, 0], [0, 9, 3, 9, 0, 0], [3, 9, 0, 0, 0, 0]], np.int32)
    given = features(x)
    np.testing.assert_array_equal(given[0], given[1])
    assert np.abs(given[0] - given[2]).max() > 1e-3
    nothing = features(np.zeros((1, 6), np.int32))
    assert np.isfinite(nothing).all()


def test_texts_that_share_words_are_nearer_than_others() -> None:
    features = make_features("text", (30,))
    x = np.arange(1, 31, dtype=np.int32)[None].repeat(3, axis=0)
    x[1, 20:] += 1_000  # two thirds are the same
    x[2] += 2_000
    near, far = (np.linalg.norm(row - features(x)[0]) for row in features(x)[1:])
    assert near < 0.8 * far


def test_tokens_have_the_same_vectors_on_every_machine() -> None:
    first = make_features("text", (1,))(np.array([[7]], np.int32))[0, :8]
    assert np.sign(first).astype(int).tolist() == [1, -1, -1, 1, -1, -1, 1, -1]
