"""What the benchmark of modalities asks with and reports."""

from __future__ import annotations

import numpy as np
from rich.console import Console

from benchmarks.modalities.asking import Right
from benchmarks.modalities.data import Digits, noisy_images, noisy_sounds, pair_rows
from benchmarks.modalities.learning import Learned, few_labels
from benchmarks.modalities.report import asking_table, beaten, learning_table
from tests.unit.networks import Sets


def test_pairs_show_the_same_digit_and_every_sound_is_in_as_many(sets: Sets) -> None:
    images, sounds = (sets[name][1].y for name in ("digits", "spoken"))
    seen, heard = pair_rows(images, sounds, 2, seed=0)
    assert (images[seen] == sounds[heard]).all()
    assert np.bincount(heard).tolist() == [2] * len(sounds)
    assert not np.array_equal(seen, pair_rows(images, sounds, 2, seed=1)[0])


def test_noise_is_as_strong_as_asked_for(sets: Sets) -> None:
    grey = np.full((20, 28, 28, 1), 128, np.uint8)
    assert abs(noisy_images(grey, 0.1, seed=0).std() / 255 - 0.1) < 0.01
    assert np.array_equal(noisy_images(grey, 0.0, seed=0), grey)
    wave = np.tile(0.1 * np.sin(np.arange(8000)), (5, 1)).astype(np.float32)
    noise = noisy_sounds(wave, 10.0, seed=0) - wave
    assert abs(10 * np.log10((wave**2).mean() / (noise**2).mean()) - 10) < 0.5
    assert np.array_equal(noisy_sounds(wave, None, seed=0), wave)


def test_few_labels_and_many_pairs_are_drawn_of_the_training_parts(sets: Sets) -> None:
    (images, test_images), (sounds, test_sounds) = sets["digits"], sets["spoken"]
    digits = Digits(images=images, sounds=sounds, test_images=test_images, test_sounds=test_sounds)
    data = few_labels(digits, shots=3, pairs=50, seed=0)
    assert (len(data.first), len(data.second), len(data)) == (30, 30, 50)


def test_a_perfect_modality_cannot_be_beaten() -> None:
    def at(image: float, sound: float, both: float) -> Right:
        return Right(
            image_noise=0.1,
            sound_db=None,
            image=[image],
            sound=[sound],
            both=[both],
            image_routed=[0.0],
            sound_routed=[0.0],
            both_routed=[0.0],
        )

    results = [at(0.8, 0.9, 0.95), at(0.8, 0.9, 0.9), at(1.0, 0.9, 1.0)]
    assert [beaten(result) for result in results] == [True, False, None]
    console = Console(width=120, record=True)
    console.print(asking_table(results))
    console.print(learning_table([Learned(shots=5, agreement=0.0, image=[0.5], sound=[0.25])]))
    text = console.export_text()
    assert "80.0 / 0.0" in text
    assert "25.0 ± 0.0" in text
