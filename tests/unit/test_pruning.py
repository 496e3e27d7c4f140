"""Pruning: a version is smaller, within the loss that was allowed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from pathways import (
    DataError,
    FamilyError,
    FrozenPathway,
    LearnConfig,
    PathwayId,
    PruneConfig,
    learn,
    load_source,
    prune,
)
from pathways.model import parameter_count
from pathways.revising.distilling import Taught
from pathways.revising.narrowing import Narrowing
from tests.unit.networks import Sets
from tests.unit.revisions import PRUNE, SHORT, Stored, accuracy


def test_a_pruned_pathway_is_smaller_and_within_the_loss(sets: Sets, stored: Stored) -> None:
    train, test = sets["digits"]
    revised = prune(stored["digits"], None, train, PRUNE, 2, held_out=test)
    (smaller,) = revised.pathways
    facts = revised.facts
    assert smaller.spec.options == {"hidden": facts["units_after"]}
    assert int(facts["units_after"]) <= 64
    assert smaller.spec.parameters == parameter_count(FrozenPathway.load(smaller).model)
    assert smaller.spec.parameters < stored["digits"].spec.parameters / 1.9
    assert len(smaller.weights) == facts["file_bytes_after"] < len(stored["digits"].weights) / 1.8
    assert float(facts["loss"]) <= 0.05
    loss = accuracy(stored["digits"], None, test) - accuracy(smaller, None, test)
    assert loss <= 0.05
    assert smaller.spec.revision and smaller.spec.revision.facts == facts
    assert FrozenPathway.load(smaller).verify().identical
    assert revised.summary.startswith("smaller: 128 → ")


def test_a_pruned_pathway_keeps_its_links(sets: Sets, stored: Stored) -> None:
    config = replace(PRUNE, keep=48, max_loss=0.1)
    (smaller,) = prune(stored["upper"], stored["lower"], sets["upper"][0], config, 2).pathways
    spec = smaller.spec
    assert (spec.source, spec.links) == (PathwayId("lower"), stored["upper"].spec.links)
    assert spec.active_parameters - spec.parameters == 784 * 128 + 128
    assert accuracy(smaller, stored["lower"], sets["upper"][1]) > 0.75


def test_a_pruned_pathway_can_still_lend(sets: Sets, stored: Stored) -> None:
    config = replace(PRUNE, keep=64, max_loss=0.2)
    (smaller,) = prune(stored["lower"], stored["digits"], sets["lower"][0], config, 2).pathways
    source, test = load_source(smaller), sets["lower"][1]
    alone = source.probabilities(source.hidden(torch.from_numpy(test.x)))
    assert (alone.argmax(dim=1).numpy() == test.y).mean() > 0.7


def test_how_far_what_is_left_says_what_the_whole_says(sets: Sets, stored: Stored) -> None:
    frozen = FrozenPathway.load(stored["lower"], stored["digits"])
    x = torch.from_numpy(sets["lower"][0].x)
    taught, rows = Taught(frozen, x, SHORT), torch.arange(len(x))
    assert taught.agreement(frozen.model, rows) == 1.0
    narrowing = Narrowing(frozen.spec.family, frozen.model, x)
    half, tenth = (taught.agreement(narrowing.to(width), rows) for width in (64, 12))
    assert 0.1 < tenth < half < 1.0


def test_units_of_a_convolutional_pathway_can_be_left_out(sets: Sets) -> None:
    train, test = sets["digits"]
    config = LearnConfig(family="cnn", options={"channels": 4, "hidden": 32}, train=SHORT)
    whole = learn(PathwayId("digits"), train, [], config)
    (smaller,) = prune(whole, None, train, replace(PRUNE, keep=12, max_loss=0.2), 2).pathways
    assert smaller.spec.options == {"channels": 4, "hidden": 12}
    assert accuracy(smaller, None, test) > accuracy(whole, None, test) - 0.15
    assert FrozenPathway.load(smaller).verify().identical


def test_units_of_a_recurrent_pathway_cannot(sets: Sets, stored: Stored) -> None:
    with pytest.raises(FamilyError, match="cannot be pruned, because units of family lstm"):
        prune(stored["spoken"], None, sets["spoken"][0], PRUNE, 2)


def test_a_loss_that_cannot_be_kept_to_is_an_error(sets: Sets, stored: Stored) -> None:
    train, _ = sets["lower"]
    message = (
        "lower@1 cannot be pruned at a loss of 0.5 % at most: with 1 of 128 units it loses .* "
        "of the held-out examples; allow more loss"
    )
    with pytest.raises(DataError, match=message):
        prune(stored["lower"], stored["digits"], train, replace(PRUNE, keep=1, max_loss=0.005), 2)


@pytest.mark.parametrize("keep", [128, 500])
def test_keeping_all_units_prunes_nothing(sets: Sets, stored: Stored, keep: int) -> None:
    with pytest.raises(DataError, match=f"digits@1 has 128 units, so keeping {keep} prunes noth"):
        prune(stored["digits"], None, sets["digits"][0], replace(PRUNE, keep=keep), 2)


def test_a_prune_that_would_empty_a_layer_is_refused(sets: Sets) -> None:
    with pytest.raises(DataError, match="keeping 0 units would empty a layer"):
        PruneConfig(keep=0)
    config = LearnConfig(options={"hidden": 1}, train=replace(SHORT, min_steps=1))
    single = learn(PathwayId("digits"), sets["digits"][0], [], config)
    with pytest.raises(DataError, match="digits@1 has one unit; to prune it would empty a layer"):
        prune(single, None, sets["digits"][0], PRUNE, 2)


def test_two_halves_need_enough_held_out_examples(sets: Sets, stored: Stored) -> None:
    few = sets["digits"][1].shots(3, np.random.default_rng(0))
    with pytest.raises(DataError, match="30 held-out examples are too few to search with one half"):
        prune(stored["digits"], None, sets["digits"][0], PRUNE, 2, held_out=few)
