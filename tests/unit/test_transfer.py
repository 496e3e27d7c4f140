"""Forward transfer: similarity, links, the choice of a source and the first weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from pathways import Link, PathwayId, Source, StoredPathway, image_signature, load_source
from pathways.families import make_body
from pathways.model import PathwayModel
from pathways.transfer import (
    Transfer,
    choose_source,
    class_similarity,
    expected_accuracy,
    find_links,
    initialise_links,
    warm_start,
)
from tests.unit.networks import Sets


def test_similarity_is_the_mean_probability_of_each_new_class() -> None:
    probabilities = np.array([[1.0, 0.0], [0.5, 0.5], [0.25, 0.75], [0.0, 1.0]], np.float32)
    similarity = class_similarity(probabilities, np.array([0, 1, 0, 1]), classes=2)
    np.testing.assert_array_equal(similarity, [[0.625, 0.375], [0.25, 0.75]])


def test_similarity_has_a_row_per_new_and_a_column_per_source_class() -> None:
    probabilities = np.full((6, 5), 0.2, np.float32)
    assert class_similarity(probabilities, np.arange(6) % 3, classes=3).shape == (3, 5)


@pytest.mark.parametrize(("mean", "linked"), [(0.71, True), (0.7, True), (0.69, False)])
def test_a_class_is_linked_from_the_threshold_on(mean: float, linked: bool) -> None:
    links = find_links(np.array([[1 - mean, mean], [0.5, 0.5]]), threshold=0.7)
    assert links == ((Link(1, 0, mean),) if linked else ())


def test_a_class_is_linked_to_the_source_class_most_like_it() -> None:
    similarity = np.array([[0.3, 0.4, 0.3], [0.0, 0.0, 1.0]])
    assert find_links(similarity, threshold=0.2) == (Link(1, 0, 0.4), Link(2, 1, 1.0))


def test_two_classes_may_be_linked_to_one_source_class() -> None:
    similarity = np.array([[0.9, 0.1], [0.8, 0.2]])
    assert find_links(similarity, threshold=0.7) == (Link(0, 0, 0.9), Link(0, 1, 0.8))


def test_links_to_different_source_classes_add_up() -> None:
    links = [Link(0, 0, 0.9), Link(1, 1, 0.8)]
    assert expected_accuracy(links, np.array([0.5, 0.25, 0.25])) == pytest.approx(0.65)


def test_of_two_targets_on_one_source_class_only_the_better_counts() -> None:
    links = [Link(0, 0, 0.9), Link(0, 1, 0.8), Link(2, 2, 1.0)]
    shares = np.array([0.25, 0.5, 0.25])
    assert expected_accuracy(links, shares) == pytest.approx(0.8 * 0.5 + 1.0 * 0.25)


def test_no_links_promise_nothing() -> None:
    assert expected_accuracy([], np.array([0.5, 0.5])) == 0.0


@pytest.fixture
def digits(stored: dict[str, StoredPathway]) -> Source:
    return load_source(stored["digits"])


@pytest.fixture
def lower(stored: dict[str, StoredPathway]) -> Source:
    return load_source(stored["lower"])


def test_of_two_sources_the_one_that_promises_more_is_chosen(
    sets: Sets, digits: Source, lower: Source
) -> None:
    upper = sets["upper"][0]
    alone = [choose_source(upper, [source], 0.5) for source in (digits, lower)]
    assert alone[0] and alone[1]
    assert alone[0].expected_accuracy < alone[1].expected_accuracy
    for sources in ([digits, lower], [lower, digits]):
        chosen = choose_source(upper, sources, 0.5)
        assert chosen
        assert chosen.source is lower
        assert chosen.links == alone[1].links


def test_a_higher_threshold_keeps_a_subset_of_the_links(sets: Sets, lower: Source) -> None:
    few, many = (choose_source(sets["upper"][0], [lower], at) for at in (0.8, 0.5))
    assert few and many
    assert set(few.links) < set(many.links)
    assert all(link.similarity >= 0.8 for link in few.links)


def test_no_source_is_chosen_where_no_class_is_like_one(sets: Sets, lower: Source) -> None:
    assert choose_source(sets["upper"][0], [lower], threshold=1.0) is None
    assert choose_source(sets["upper"][0], [], threshold=0.5) is None


def test_links_promise_what_zero_shot_learning_then_reaches(sets: Sets, lower: Source) -> None:
    train, test = sets["upper"]
    transfer = choose_source(train, [lower], 0.5)
    assert transfer
    model = PathwayModel(make_body("mlp", test.signature), 26, lower.body.width)
    initialise_links(model, transfer)
    x = torch.from_numpy(test.x)
    with torch.inference_mode():
        logits = model(model.body.prepare(x), lower.hidden(x))
    reached = float((logits.argmax(dim=1).numpy() == test.y).mean())
    assert reached == pytest.approx(transfer.expected_accuracy, abs=0.15)


def whole_numbers(module: nn.Module) -> None:
    """Fill with small whole numbers: sums of their products are exact in float32."""
    generator = torch.Generator().manual_seed(0)
    for parameter in module.parameters():
        values = torch.randint(-8, 9, parameter.shape, generator=generator)
        parameter.data.copy_(values.float())


def test_before_training_linked_classes_say_what_the_source_says_and_others_zero() -> None:
    signature = image_signature(4, 4)
    body = make_body("mlp", signature, {"hidden": 6})
    source = Source(id=PathwayId("old"), body=body, head=nn.Linear(6, 3))
    model = PathwayModel(make_body("mlp", signature, {"hidden": 5}), classes=4, source_width=6)
    for module in (source.head, model):
        whole_numbers(module)
    links = (Link(2, 0, 0.9), Link(1, 2, 0.8), Link(2, 3, 0.7))
    initialise_links(model, Transfer(source=source, links=links, expected_accuracy=0.5))
    lent = torch.randint(0, 9, (7, 6)).float()
    x = torch.randint(0, 256, (7, 4, 4, 1), dtype=torch.uint8)
    with torch.inference_mode():
        logits, theirs = model(model.body.prepare(x), lent), source.head(lent)
    assert torch.equal(logits[:, [0, 2, 3]], theirs[:, [2, 1, 2]])
    assert torch.equal(logits[:, 1], torch.zeros(7))


def test_initialising_links_leaves_the_new_body_random_and_the_source_alone() -> None:
    signature = image_signature(4, 4)
    body = make_body("mlp", signature, {"hidden": 6})
    source = Source(id=PathwayId("old"), body=body, head=nn.Linear(6, 3))
    model = PathwayModel(make_body("mlp", signature, {"hidden": 5}), classes=4, source_width=6)
    parts = (model.body, source.body, source.head)
    before = [p.clone() for part in parts for p in part.parameters()]
    transfer = Transfer(source=source, links=(Link(2, 0, 0.9),), expected_accuracy=0.5)
    initialise_links(model, transfer)
    after = [p for part in parts for p in part.parameters()]
    assert all(torch.equal(old, new) for old, new in zip(before, after, strict=True))
    assert model.link is not None
    assert torch.equal(model.link.weight[0], source.head.weight[2])


def test_a_warm_start_copies_the_source_s_hidden_layers(stored: dict[str, StoredPathway]) -> None:
    source = load_source(stored["digits"])
    model = PathwayModel(make_body("mlp", source.body.signature), 4, source.body.width)
    warm_start(model, source)
    for own, given in zip(model.body.parameters(), source.body.parameters(), strict=True):
        assert torch.equal(own, given)
        assert own is not given
        assert own.requires_grad


def test_a_warm_start_from_a_body_of_another_size_changes_nothing(
    stored: dict[str, StoredPathway],
) -> None:
    source = load_source(stored["digits"])
    model = PathwayModel(
        make_body("mlp", source.body.signature, {"hidden": 8}), 4, source.body.width
    )
    before = [p.clone() for p in model.body.parameters()]
    warm_start(model, source)
    assert all(map(torch.equal, before, model.body.parameters()))
