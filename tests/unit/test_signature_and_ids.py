"""Signatures, pathway ids and task names: rendered, parsed and refused."""

from __future__ import annotations

import pytest

from pathways import (
    PathwayId,
    PathwaysError,
    Signature,
    SignatureError,
    audio_signature,
    check_task_name,
    image_signature,
    table_signature,
    text_signature,
)


@pytest.mark.parametrize(
    ("signature", "key"),
    [
        (image_signature(), "image-28x28x1"),
        (image_signature(32, 48, 3), "image-32x48x3"),
        (audio_signature(), "audio-8000hz-8000"),
        (audio_signature(16_000, 24_000), "audio-16000hz-24000"),
        (table_signature(12), "table-12"),
        (text_signature(64, 5_000), "text-64-of-5000"),
    ],
)
def test_a_signature_reads_back_from_its_key(signature: Signature, key: str) -> None:
    assert signature.key == key
    assert Signature.parse(key) == signature


@pytest.mark.parametrize(
    "key",
    [
        "",
        "image",
        "image-28x28",
        "image-28x28x1 ",
        "audio-8000-8000",
        "text-5",
        "table-",
        "image-axbxc",
    ],
)
def test_other_text_is_no_signature(key: str) -> None:
    with pytest.raises(SignatureError, match=r"is no signature; one looks like image-28x28x1"):
        Signature.parse(key)


@pytest.mark.parametrize("key", ["image-0x28x1", "audio-8000hz-0", "table-0", "text-0-of-9"])
def test_a_key_of_no_size_is_refused(key: str) -> None:
    with pytest.raises(SignatureError, match="positive sizes"):
        Signature.parse(key)


@pytest.mark.parametrize("shape", [(), (28,), (28, 28), (28, 28, 0), (1, 28, 28, 1)])
def test_an_image_has_three_positive_sizes(shape: tuple[int, ...]) -> None:
    with pytest.raises(SignatureError, match="image signature needs 3 positive sizes, got"):
        Signature(modality="image", shape=shape)


def test_a_sound_has_one_size_and_a_rate() -> None:
    with pytest.raises(SignatureError, match="audio signature needs 1 positive sizes"):
        Signature(modality="audio", shape=(8000, 2), rate_hz=8000)
    with pytest.raises(SignatureError, match="rate_hz=0 does not suit modality audio"):
        Signature(modality="audio", shape=(8000,))


def test_text_has_a_vocabulary_and_nothing_else_has() -> None:
    for vocabulary in (0, 1, 1 << 21):
        with pytest.raises(SignatureError, match=f"vocabulary={vocabulary} does not suit modality"):
            text_signature(8, vocabulary)
    with pytest.raises(SignatureError, match="vocabulary=5 does not suit modality table"):
        Signature(modality="table", shape=(3,), vocabulary=5)


def test_a_table_and_a_text_are_not_endless() -> None:
    with pytest.raises(SignatureError, match="a row of a table has 16385 columns, the limit is"):
        table_signature(16_385)
    with pytest.raises(SignatureError, match="text has 16385 tokens, the limit is 16384"):
        text_signature(16_385, 9)


def test_an_image_has_no_rate() -> None:
    with pytest.raises(SignatureError, match="rate_hz=8000 does not suit modality image"):
        Signature(modality="image", shape=(28, 28, 1), rate_hz=8000)


def test_an_unknown_modality_is_refused_with_the_known_ones() -> None:
    with pytest.raises(
        SignatureError, match="unknown modality 'video'; known are image, audio, table"
    ):
        Signature(modality="video", shape=(5,))  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["digits@1", "a.b_c-d@12", "7@3"])
def test_a_pathway_id_reads_back(text: str) -> None:
    assert str(PathwayId.parse(text)) == text


@pytest.mark.parametrize("text", ["", "digits", "digits@", "digits@0", "digits@-1", "digits@1.5"])
def test_an_id_without_a_version_is_refused(text: str) -> None:
    with pytest.raises(PathwaysError, match="is no pathway id; one looks like digits@1"):
        PathwayId.parse(text)


def test_an_id_with_an_impossible_name_is_refused() -> None:
    with pytest.raises(PathwaysError, match="cannot name a task"):
        PathwayId.parse("../x@1")


def test_ids_are_ordered_by_task_then_version() -> None:
    ids = [PathwayId("b"), PathwayId("a", 10), PathwayId("a", 2)]
    assert sorted(ids) == [PathwayId("a", 2), PathwayId("a", 10), PathwayId("b")]


@pytest.mark.parametrize("name", ["a", "7", "digits", "free-spoken.v2_b", "x" * 64])
def test_names_for_tasks(name: str) -> None:
    assert check_task_name(name) == name


@pytest.mark.parametrize(
    "name", ["", "Digits", "-a", ".hidden", "_a", "a b", "a/b", "a@1", "ä", "x" * 65, "a\n"]
)
def test_names_that_cannot_name_a_task(name: str) -> None:
    with pytest.raises(PathwaysError, match="cannot name a task; use 1 to 64 of a-z"):
        check_task_name(name)
