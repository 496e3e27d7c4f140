"""Two tasks learned together from inputs that were shown together, of which few have labels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from pathways import (
    CorruptFileError,
    DataError,
    FrozenPathway,
    LearnConfig,
    PathwayId,
    Progress,
    StoredPathway,
    TaskData,
    TrainConfig,
)
from pathways.data.paired import PairedData
from pathways.data.pairs_file import load_pairs
from pathways.pairing import Beside, Half, PairConfig, Side, halves, learn_together
from tests.unit.networks import Sets

IDS = (PathwayId("digits"), PathwayId("spoken"))
SHORT = LearnConfig(train=TrainConfig(epochs=2, min_steps=0, batch_size=64))
SMALL = replace(SHORT, options={"bands": 16, "frames": 24, "channels": 8, "hidden": 32})


def paired(sets: Sets, shots: int, pairs: int) -> PairedData:
    """Few labels of each task, and pairs of one digit each."""
    images, sounds = sets["digits"][0], sets["spoken"][0]
    rng = np.random.default_rng(0)
    rows = [
        (rng.choice(np.flatnonzero(images.y == c)), rng.choice(np.flatnonzero(sounds.y == c)))
        for c in np.resize(np.arange(10), pairs)
    ]
    seen, heard = map(list, zip(*rows, strict=True))
    return PairedData(
        first=images.shots(shots, rng),
        second=sounds.shots(shots, rng),
        x_first=images.x[seen],
        x_second=sounds.x[heard],
    )


@pytest.fixture(scope="module")
def few(sets: Sets) -> PairedData:
    return paired(sets, shots=2, pairs=60)


def both(
    data: PairedData,
    pairing: PairConfig | None = None,
    configs: tuple[LearnConfig, LearnConfig] = (SHORT, SMALL),
) -> tuple[Half, Half]:
    return halves(IDS, data, configs, pairing or PairConfig())


def learned(first: Half, second: Half) -> tuple[StoredPathway, StoredPathway]:
    return learn_together(Side(first), Beside(Side(second)))


# --- what it gains ------------------------------------------------------------------------------


def test_agreeing_on_pairs_without_labels_helps_the_weaker_side(sets: Sets) -> None:
    budget = TrainConfig(epochs=12, min_steps=0, batch_size=64)
    configs = (replace(SHORT, train=budget), replace(SMALL, train=budget))
    data = paired(sets, shots=3, pairs=300)
    strong = replace(data, first=sets["digits"][0])
    test = sets["spoken"][1]

    def right(pairing: PairConfig) -> float:
        stored = learned(*both(strong, pairing, configs))[1]
        return float((FrozenPathway.load(stored).probabilities(test.x).argmax(1) == test.y).mean())

    assert right(PairConfig()) > right(PairConfig(agreement=0.0)) + 0.1


def test_without_agreement_the_other_side_makes_no_difference(few: PairedData) -> None:
    off = PairConfig(agreement=0.0)
    other = replace(few, x_second=few.x_second[::-1].copy())
    one, two = learned(*both(few, off)), learned(*both(other, off))
    assert one[0].weights == two[0].weights
    all_count = PairConfig(sure=0.0)
    one, two = learned(*both(few, all_count)), learned(*both(other, all_count))
    assert one[0].weights != two[0].weights


def test_before_the_warm_up_is_over_nothing_is_learned_of_the_pairs(few: PairedData) -> None:
    never = learned(*both(few, PairConfig(warm_up=1.0, sure=0.0)))
    assert never[0].weights == learned(*both(few, PairConfig(agreement=0.0)))[0].weights


def test_pairs_that_nobody_is_sure_of_teach_nothing(few: PairedData) -> None:
    half = both(few, PairConfig(warm_up=0.0, sure=1.0))[0]
    side, off = Side(half), Side(replace(half, pairing=PairConfig(agreement=0.0)))
    even = np.full((len(few), 10), 0.1, np.float32)
    for one in (side, off):
        one.turn(None)
        one.turn(even)
    assert side.finish().weights == off.finish().weights


# --- turns --------------------------------------------------------------------------------------


def test_it_is_the_same_whatever_runs_between_turns(few: PairedData) -> None:
    first, second = both(few, PairConfig(warm_up=0.0))
    wanted = learned(first, second)

    class Busy(Beside):
        def end(self) -> Any:
            torch.rand(7)
            return super().end()

    again = learn_together(Side(first), Busy(Side(second)))
    assert [s.weights for s in again] == [s.weights for s in wanted]


def test_predictions_are_of_the_shared_concepts_in_one_order(few: PairedData) -> None:
    order = np.random.default_rng(3).permutation(10)
    named = replace(
        few.second,
        labels=tuple(few.second.labels[c] for c in order),
        y=np.argsort(order)[few.second.y].astype(np.int64),
    )
    first, second = both(replace(few, second=named))
    shared = [[h.data.labels[c] for c in h.shared] for h in (first, second)]
    assert shared[0] == shared[1]
    turn = Side(first).turn(None)
    assert turn.predictions.shape == (60, 10)
    assert turn.predictions.dtype == np.float32
    np.testing.assert_allclose(turn.predictions.sum(axis=1), 1.0, rtol=1e-5)


def test_progress_is_that_of_both(few: PairedData) -> None:
    told: list[Progress] = []
    first, second = both(few)
    learn_together(Side(first), Beside(Side(second)), told.append)
    assert [(p.epoch, p.epochs) for p in told] == [(1, 2), (2, 2)]
    assert all(0 <= p.accuracy <= 1 and np.isfinite(p.loss) for p in told)


def test_what_is_frozen_is_an_ordinary_pathway(few: PairedData) -> None:
    for stored, data in zip(learned(*both(few)), (few.first, few.second), strict=True):
        assert FrozenPathway.load(stored).verify().identical
        assert stored.spec.labels == data.labels
        assert stored.spec.training.examples == len(data)
        assert stored.spec.training.epochs == 2


def test_a_side_may_change_its_inputs_at_random(few: PairedData) -> None:
    vary = replace(SHORT, train=replace(SHORT.train, augment=True))
    stored = learned(*both(few, configs=(vary, SMALL)))
    assert stored[0].weights != learned(*both(few))[0].weights
    assert stored[0].weights == learned(*both(few, configs=(vary, SMALL)))[0].weights


def test_a_side_takes_links_from_a_source(
    few: PairedData, sets: Sets, stored: dict[str, StoredPathway]
) -> None:
    from pathways import load_source

    linked = replace(SHORT, threshold=0.5)
    first, second = both(few, PairConfig(warm_up=0.0), (linked, SMALL))
    side = Side(first, [load_source(stored["digits"])])
    given, _ = learn_together(side, Beside(Side(second)))
    assert given.spec.source == PathwayId("digits")
    assert FrozenPathway.load(given, stored["digits"]).verify().identical


# --- bad input ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: replace(d, second=d.first), "both tasks of the pair have image inputs"),
        (lambda d: replace(d, x_first=d.x_first[:-1]), "as many first as second inputs.*59 and 60"),
        (
            lambda d: replace(d, x_first=d.x_first[:1], x_second=d.x_second[:1]),
            "two at least; got 1 and 1",
        ),
        (lambda d: replace(d, x_first=d.x_first[:, :20]), r"x_first: .* got uint8 \[60, 20, 28, 1"),
        (lambda d: replace(d, x_second=d.x_second * np.float32("nan")), "x_second holds NaN"),
    ],
)
def test_pairs_that_do_not_fit_are_refused(
    few: PairedData, change: Callable[[PairedData], PairedData], said: str
) -> None:
    with pytest.raises(DataError, match=said):
        change(few)


def test_tasks_that_share_nothing_cannot_agree(few: PairedData) -> None:
    apart = (replace(SHORT, namespace="a"), replace(SMALL, namespace="b"))
    with pytest.raises(DataError, match="share 0 concepts and have to share two"):
        both(few, configs=apart)
    assert both(few, PairConfig(agreement=0.0), apart)[0].shared == ()
    learned(*both(few, PairConfig(agreement=0.0), apart))


def test_settings_out_of_range_are_refused() -> None:
    for wrong in (
        {"agreement": -1.0},
        {"agreement": float("inf")},
        {"warm_up": 1.5},
        {"sure": -0.1},
    ):
        with pytest.raises(DataError, match=next(iter(wrong))):
            PairConfig(**wrong)


# --- files --------------------------------------------------------------------------------------


def arrays(data: PairedData, labels: int = 20) -> dict[str, NDArray[Any]]:
    """As in a file: pairs of which the first ones have labels."""
    y = np.resize(np.arange(10), len(data))
    y[labels:] = -1
    return {
        "x_image": data.x_first[..., 0],
        "x_sound": data.x_second,
        "rate_hz": np.asarray(8000),
        "y": y,
    }


def test_pairs_are_read_from_a_file(few: PairedData, tmp_path: Path) -> None:
    given = arrays(few)
    np.savez(tmp_path / "pairs.npz", **given)  # type: ignore[arg-type]
    loaded = load_pairs(tmp_path / "pairs.npz")
    assert loaded.notes[0] == "20 of 60 pairs have labels"
    data = loaded.data
    assert len(data) == 60
    np.testing.assert_array_equal(data.x_first, few.x_first)
    np.testing.assert_array_equal(data.first.x, few.x_first[:20])
    np.testing.assert_array_equal(data.second.x, few.x_second[:20])
    assert data.first.labels == data.second.labels == tuple("0123456789")
    words = np.array([*("ab" * 10), *[""] * 40])
    np.savez(tmp_path / "words.npz", **{**given, "y": words})  # type: ignore[arg-type]
    named: TaskData = load_pairs(tmp_path / "words.npz").data.second
    assert named.labels == ("a", "b")
    assert len(named) == 20


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"y": None}, "has no array y; save pairs with"),
        ({"x_image": None, "rate_hz": None}, "has no array x_image and no array rate_hz"),
        ({"y": np.full(60, -1)}, "y has no label at all"),
        ({"y": np.zeros((60, 2), np.int64)}, r"one label per pair \[n\], got \[60, 2\]"),
        ({"y": np.zeros(60, np.int64)}, "y: a task needs at least two classes"),
        ({"y": np.arange(59)}, "x_image has the shape .* but y has 59 labels"),
        ({"x_image": np.zeros((60, 28))}, "x_image: .* has the shape"),
        ({"x_sound": np.full((60, 100), 7.0)}, "x_sound: .* sound must lie in -1..1"),
        ({"rate_hz": np.asarray(0.5)}, "x_sound: .* rate_hz must be one whole number"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(
    few: PairedData, tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    given = {name: a for name, a in {**arrays(few), **change}.items() if a is not None}
    np.savez(tmp_path / "pairs.npz", **given)
    with pytest.raises(DataError, match=said):
        load_pairs(tmp_path / "pairs.npz")


def test_a_file_that_is_no_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pairs.npz").write_bytes(b"x")
    with pytest.raises(CorruptFileError, match=r"no \.npz archive"):
        load_pairs(tmp_path / "pairs.npz")
