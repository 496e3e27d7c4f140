"""The signature gate: exact matches, nearest signatures, and what it says when none fits."""

from __future__ import annotations

import itertools
import pickle
from dataclasses import dataclass

import pytest

import dispatcher
from dispatcher import (
    DispatcherError,
    FeatureError,
    InputType,
    NoTaskFits,
    RouterError,
    SelectConfig,
    gate,
)


@dataclass(frozen=True)
class Kind:
    """A hand-written signature."""

    modality: str
    shape: tuple[int, ...]
    rate_hz: int = 0
    vocabulary: int = 0

    @property
    def key(self) -> str:
        return f"{self.modality}-{'x'.join(map(str, self.shape))}-{self.rate_hz or self.vocabulary}"


def image(height: int, width: int, channels: int = 1) -> Kind:
    return Kind("image", (height, width, channels))


def audio(samples: int, rate_hz: int = 8_000) -> Kind:
    return Kind("audio", (samples,), rate_hz)


def table(columns: int) -> Kind:
    return Kind("table", (columns,))


def text(tokens: int, vocabulary: int) -> Kind:
    return Kind("text", (tokens,), vocabulary=vocabulary)


def choose(observed: InputType, *known: InputType) -> str:
    """The gate's answer, which must not depend on the order of `known`."""
    answers = {gate(observed, order) for order in itertools.permutations(known)}
    assert len(answers) == 1
    return answers.pop()


def test_an_exact_match_wins() -> None:
    assert (
        choose(image(28, 28), image(28, 28, 3), image(28, 28), image(27, 28)) == "image-28x28x1-0"
    )


def test_the_nearest_size_wins_and_the_channels_break_ties() -> None:
    small, grey, colour = image(28, 28), image(224, 224), image(224, 224, 3)
    assert choose(image(200, 210, 3), small, grey, colour) == colour.key
    assert choose(image(200, 210), small, grey, colour) == grey.key
    assert choose(image(30, 30, 3), small, colour) == small.key


@pytest.mark.parametrize(("width", "fits"), [(100, True), (109, True), (112, False), (90, False)])
def test_an_image_of_another_aspect_ratio_is_refused(width: int, fits: bool) -> None:
    if fits:
        assert gate(image(100, width), [image(28, 28)]) == image(28, 28).key
        return
    with pytest.raises(NoTaskFits, match="Crop or pad"):
        gate(image(100, width), [image(28, 28)])


def test_a_clip_goes_to_the_shortest_that_holds_it_at_any_rate() -> None:
    half, one, four = audio(4_000), audio(16_000, 16_000), audio(32_000)
    assert choose(audio(6_000), half, one, four) == one.key
    assert choose(audio(44_100, 44_100), half, one, four) == one.key
    assert choose(audio(90_000), half, one, four) == four.key


def test_of_two_equally_long_clips_the_same_rate_wins() -> None:
    assert choose(audio(7_000), audio(16_000, 16_000), audio(8_000)) == audio(8_000).key


def test_a_table_fits_its_own_width_alone() -> None:
    assert choose(table(4), table(3), table(4), table(5)) == table(4).key
    with pytest.raises(NoTaskFits, match="Give as many columns"):
        gate(table(6), [table(5), table(7), image(6, 1)])


def test_text_goes_to_the_shortest_that_holds_it_and_its_ids() -> None:
    short, long, other = text(16, 500), text(64, 500), text(32, 9_000)
    assert choose(text(10, 400), short, long, other) == short.key
    assert choose(text(20, 400), short, long, other) == other.key
    assert choose(text(40, 400), short, long, other) == long.key
    assert choose(text(99, 400), short, long, other) == long.key
    assert choose(text(10, 501), short, long, other) == other.key
    assert choose(text(10, 400), text(16, 9_000), short) == short.key


def test_text_whose_ids_no_task_knows_is_refused() -> None:
    with pytest.raises(NoTaskFits, match="Give ids of one of these vocabularies"):
        gate(text(5, 9_001), [text(16, 500), text(32, 9_000)])


def test_the_message_names_what_was_seen_what_is_known_and_the_remedy() -> None:
    with pytest.raises(NoTaskFits, match=r"audio-8000-8000.*image-28x28x1-0.*learn a task"):
        gate(audio(8_000), [image(28, 28)])
    with pytest.raises(NoTaskFits, match="no task has been learned yet"):
        gate(audio(8_000), [])


@pytest.mark.parametrize("kind", [DispatcherError, NoTaskFits, FeatureError, RouterError])
def test_errors_survive_pickling(kind: type[DispatcherError]) -> None:
    error = pickle.loads(pickle.dumps(kind("what happened")))
    assert type(error) is kind
    assert str(error) == "what happened"
    assert isinstance(error, ValueError)


def test_the_public_names_exist_and_are_sorted() -> None:
    names = dispatcher.__all__
    assert all(hasattr(dispatcher, name) for name in names)
    constants_first = sorted(names, key=lambda name: (name[0].islower(), name))
    assert names == constants_first


@pytest.mark.parametrize("wrong", [{"max_active": 3}, {"max_active": 0}, {"second_above": 1.5}])
def test_the_select_config_is_validated(wrong: dict[str, float]) -> None:
    with pytest.raises(DispatcherError, match=next(iter(wrong))):
        SelectConfig(**wrong)  # type: ignore[arg-type]
