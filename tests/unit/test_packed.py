"""Pathways that run as one answer as they do alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

import pathways.packed
from pathways import (
    FrozenPathway,
    LearnConfig,
    PathwayId,
    SignatureError,
    TaskData,
    TrainConfig,
    audio_signature,
    image_signature,
    learn,
    load_source,
    run_together,
)

RNG = np.random.default_rng(0)
ENOUGH = 12


def image_task(classes: int = 3) -> TaskData:
    y = np.arange(4 * classes) % classes
    x = RNG.integers(0, 256, (len(y), 8, 8, 1), np.uint8)
    return TaskData(
        x=x, y=y, labels=tuple("abcdef"[:classes]), signature=image_signature(height=8, width=8)
    )


def sound_task() -> TaskData:
    x = RNG.uniform(-1, 1, (6, 8_000)).astype(np.float32)
    return TaskData(x=x, y=np.arange(6) % 2, labels=("a", "b"), signature=audio_signature())


def learned(family: str, number: int, data: TaskData, **options: int) -> FrozenPathway:
    how = LearnConfig(
        family=family,
        options=options,
        seed=number,
        held_out_share=0.0,
        train=TrainConfig(epochs=1, min_steps=1),
    )
    return FrozenPathway.load(learn(PathwayId(f"task-{number}"), data, [], how))


@pytest.fixture
def packs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of the packs that run."""
    seen: list[int] = []
    run_pack = pathways.packed._run_pack

    def watched(group: Sequence[pathways.packed.Asked]) -> list[pathways.packed.Inputs]:
        seen.append(len(group))
        return run_pack(group)  # type: ignore[return-value]

    monkeypatch.setattr(pathways.packed, "_run_pack", watched)
    return seen


def asked(made: Sequence[FrozenPathway], data: TaskData) -> list[pathways.packed.Asked]:
    """Each with one to three rows of its own."""
    return [(pathway, data.x[i % 3 : 1 + 2 * (i % 3)]) for i, pathway in enumerate(made)]


def assert_as_alone(given: list[pathways.packed.Asked]) -> None:
    results = run_together(given)
    assert len(results) == len(given)
    for (pathway, x), result in zip(given, results, strict=True):
        np.testing.assert_allclose(result, pathway.probabilities(x), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("family", "options"), [("mlp", {"hidden": 16}), ("cnn", {"channels": 2, "hidden": 8})]
)
def test_a_pack_answers_as_each_alone(
    packs: list[int], family: str, options: dict[str, int]
) -> None:
    data = image_task()
    made = [learned(family, number, data, **options) for number in range(ENOUGH)]
    assert_as_alone(asked(made, data))
    assert packs == [ENOUGH]


def test_each_shape_has_its_own_pack_and_the_rest_runs_alone(packs: list[int]) -> None:
    three, four, sounds = image_task(3), image_task(4), sound_task()
    given = asked([learned("mlp", i, three, hidden=4) for i in range(ENOUGH)], three)
    given += asked([learned("mlp", i, four, hidden=4) for i in range(ENOUGH + 1)], four)
    given += asked([learned("mlp", 90, three, hidden=5)], three)  # another size
    given += asked([learned("mlp", 91, three, hidden=500)], three)  # a large one
    given += [(learned("mlp", 92, three, hidden=4), three.x)]  # many rows
    sizes = {"bands": 4, "units": 4, "hidden": 4, "width": 4}
    given += asked([learned("lstm", i, sounds, **sizes) for i in range(ENOUGH)], sounds)
    order = RNG.permutation(len(given))
    assert_as_alone([given[place] for place in order])
    assert sorted(packs) == [ENOUGH, ENOUGH + 1]


def test_linked_pathways_and_small_groups_run_alone(packs: list[int]) -> None:
    data = image_task()
    first = learn(PathwayId("first"), data, [], LearnConfig(options={"hidden": 4}))
    how = LearnConfig(options={"hidden": 4}, threshold=0.01)
    linked = learn(PathwayId("second"), data, [load_source(first)], how)
    assert linked.spec.source
    assert_as_alone([(FrozenPathway.load(linked, first), data.x[:1])] * ENOUGH)
    assert_as_alone([(FrozenPathway.load(first), data.x[:1])] * (ENOUGH - 1))
    assert packs == []
    assert run_together([]) == []


def test_inputs_of_another_kind_are_refused() -> None:
    data = image_task()
    with pytest.raises(SignatureError, match="task-7@1 reads image-8x8x1"):
        run_together([(learned("mlp", 7, data, hidden=4), data.x[:, :4])])
