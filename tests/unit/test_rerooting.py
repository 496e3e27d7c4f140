"""Re-rooting: a pathway that needs no source answers as before."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from pathways import (
    DataError,
    FrozenPathway,
    LearnConfig,
    PathwayId,
    PathwaySpec,
    StoredPathway,
    WeightsError,
    learn,
    load_source,
    prune,
    reroot,
)
from pathways.frozen import load_body
from pathways.model import parameter_count
from pathways.packed import run_together
from tests.unit.networks import Sets
from tests.unit.revisions import PRUNE, SHORT, Stored, accuracy


@pytest.fixture(scope="module")
def alone(stored: Stored) -> StoredPathway:
    """upper, with lower's body in its own weight file."""
    return reroot(stored["upper"], stored["lower"], 2)


def test_a_rerooted_pathway_answers_bit_for_bit_the_same_without_its_source(
    sets: Sets, stored: Stored, alone: StoredPathway
) -> None:
    x = sets["upper"][1].x
    was = FrozenPathway.load(stored["upper"], stored["lower"])
    now = FrozenPathway.load(alone)
    assert was.probabilities(x).tobytes() == now.probabilities(x).tobytes()
    assert now.verify().identical
    for name in ("probe.input", "probe.output"):
        assert torch.equal(alone.tensors()[name], stored["upper"].tensors()[name])


def test_a_rerooted_pathway_counts_the_copied_weights_as_its_own(
    stored: Stored, alone: StoredPathway
) -> None:
    was, now = stored["upper"].spec, alone.spec
    assert (now.id, now.source, now.links) == (PathwayId("upper", 2), None, was.links)
    assert now.parameters == now.active_parameters == was.active_parameters
    assert now.adopted and now.adopted.of == PathwayId("lower")
    assert PathwaySpec.from_json(now.to_json()) == now
    assert now.revision and (now.revision.kind, now.revision.of) == ("rerooted", was.id)
    held = sum(t.numel() for t in FrozenPathway.load(alone).tensors())
    assert held == sum(t.numel() for t in alone.tensors().values())


def test_a_rerooted_pathway_lends_as_before(
    sets: Sets, stored: Stored, alone: StoredPathway
) -> None:
    x = torch.from_numpy(sets["upper"][1].x[:20])
    lenders = [load_source(stored["upper"]), load_source(alone)]
    lenders.append(FrozenPathway.load(alone).as_source())
    hidden = [lender.hidden(x) for lender in lenders]
    assert torch.equal(hidden[0], hidden[1]) and torch.equal(hidden[1], hidden[2])
    assert parameter_count(load_body(alone)) == 784 * 128 + 128


def test_a_rerooted_pathway_can_be_pruned(sets: Sets, stored: Stored, alone: StoredPathway) -> None:
    train, test = sets["upper"]
    (smaller,) = prune(alone, None, train, replace(PRUNE, keep=40, max_loss=0.2), 3).pathways
    assert smaller.spec.adopted == alone.spec.adopted
    assert smaller.spec.parameters == smaller.spec.active_parameters < alone.spec.parameters
    assert accuracy(smaller, None, test) > 0.7
    assert FrozenPathway.load(smaller).verify().identical


def test_rerooted_pathways_do_not_run_in_packs(sets: Sets) -> None:
    tiny = LearnConfig(options={"hidden": 2}, threshold=0.01, train=replace(SHORT, min_steps=5))
    train, test = sets["digits"]
    source = learn(PathwayId("lender"), train, [], tiny)
    linked = [
        learn(PathwayId(f"task-{n}"), train, [load_source(source)], replace(tiny, seed=n))
        for n in range(12)
    ]
    alone = [FrozenPathway.load(reroot(each, source, 2)) for each in linked]
    assert all(pathway.spec.parameters < 8_192 for pathway in alone)
    answers = run_together([(pathway, test.x[:2]) for pathway in alone])
    for pathway, given in zip(alone, answers, strict=True):
        np.testing.assert_array_equal(given, pathway.probabilities(test.x[:2]))


def test_only_a_linked_pathway_can_be_rerooted_and_only_with_its_source(stored: Stored) -> None:
    with pytest.raises(DataError, match="digits@1 reads no source, so there is nothing to copy"):
        reroot(stored["digits"], stored["lower"], 2)
    with pytest.raises(WeightsError, match="upper@1 needs source lower@1, got digits@1"):
        reroot(stored["upper"], stored["digits"], 2)
