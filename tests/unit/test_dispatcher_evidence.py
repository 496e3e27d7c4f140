"""Two inputs that show the same thing: merging their evidence, and choosing their tasks."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from dispatcher import Decision, DispatcherError, EvidenceConfig, Said, choose_pair, combine

PLAIN = EvidenceConfig(temperature=1.0, doubt=1e-12)


def p(*values: float) -> NDArray[np.float32]:
    return np.array(values, dtype=np.float32)


def test_over_shared_concepts_evidence_is_multiplied() -> None:
    given = combine(Said(("6", "7"), p(0.4, 0.6)), Said(("7", "6"), p(0.9, 0.1)), PLAIN)
    assert [concept for concept, _ in given] == ["7", "6"]
    assert dict(given) == pytest.approx({"7": 0.54 / 0.58, "6": 0.04 / 0.58})


def test_it_does_not_matter_which_comes_first() -> None:
    one = Said(("a", "b", "c"), p(0.2, 0.5, 0.3))
    other = Said(("b", "c", "d"), p(0.1, 0.6, 0.3))
    assert dict(combine(one, other)) == pytest.approx(dict(combine(other, one)))


def test_a_pathway_that_knows_nothing_changes_nothing() -> None:
    sure = Said(("a", "b", "c"), p(0.2, 0.5, 0.3))
    even = Said(("a", "b", "c"), p(1 / 3, 1 / 3, 1 / 3))
    assert dict(combine(sure, even, PLAIN)) == pytest.approx({"a": 0.2, "b": 0.5, "c": 0.3})


def test_one_that_is_sure_and_wrong_does_not_veto() -> None:
    wrong = Said(("a", "b", "c"), p(1.0, 0.0, 0.0))
    sure = Said(("a", "b", "c"), p(0.0, 1.0, 0.0))
    given = dict(combine(wrong, sure))
    assert given["a"] == pytest.approx(given["b"])
    assert given["c"] < 0.2
    assert combine(wrong, Said(("a", "b", "c"), p(0.1, 0.8, 0.1)))[0][0] == "a"


def test_a_concept_that_one_pathway_cannot_name_keeps_its_place() -> None:
    seen = Said(("cat", "leopard"), p(0.2, 0.8))
    hears_nothing = Said(("cat", "dog"), p(0.5, 0.5))
    assert combine(seen, hears_nothing)[0][0] == "leopard"
    hears_a_cat = Said(("cat", "dog"), p(0.99, 0.01))
    alone = dict(combine(seen, hears_nothing))
    both = dict(combine(seen, hears_a_cat))
    assert both["cat"] > alone["cat"]
    assert both["leopard"] > both["dog"]


def test_pathways_that_share_nothing_are_mixed() -> None:
    given = combine(Said(("a", "b"), p(0.25, 0.75)), Said(("c",), p(1.0)))
    assert given == [("c", 0.5), ("b", 0.375), ("a", 0.125)]


def test_evidence_sums_to_one_and_equals_are_in_order() -> None:
    rng = np.random.default_rng(0)
    first, second = (rng.dirichlet(np.ones(5)).astype(np.float32) for _ in range(2))
    given = combine(Said(tuple("abcde"), first), Said(tuple("cdefg"), second))
    assert sum(value for _, value in given) == pytest.approx(1)
    assert [value for _, value in given] == sorted((v for _, v in given), reverse=True)
    equal = combine(Said(("b", "a"), p(0.5, 0.5)), Said(("a", "b"), p(0.5, 0.5)))
    assert [concept for concept, _ in equal] == ["a", "b"]


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(DispatcherError, match="2 concepts but probabilities of shape"):
        Said(("a", "b"), p(1.0))
    for wrong in ({"temperature": 0.5}, {"doubt": 0.0}, {"doubt": 1.0}, {"slack": 0.0}):
        with pytest.raises(DispatcherError, match=next(iter(wrong))):
            EvidenceConfig(**wrong)


def test_an_input_is_believed_less_the_less_it_is_like_what_was_learned() -> None:
    how = EvidenceConfig(slack=2.0)
    given = [how.trust(novelty, of_noise=2.0) for novelty in (0.5, 1.0, 2.0, 3.0, 9.0)]
    assert given == [1.0, 1.0, 0.5, 0.0, 0.0]


def test_where_noise_counts_as_known_nothing_unknown_is_believed() -> None:
    for of_noise in (0.2, 1.0):
        given = [EvidenceConfig().trust(novelty, of_noise) for novelty in (0.1, 1.0, 1.01)]
        assert given == [1.0, 1.0, 0.0]


def test_what_is_not_believed_changes_nothing() -> None:
    known = Said(("a", "b"), p(0.6, 0.4))
    strange = (p(0.0, 1.0), 0.5), (p(0.0, 1.0), 0.1), (p(0.0, 1.0), 0.0)
    given = [dict(combine(known, Said(("a", "b"), *said), PLAIN))["a"] for said in strange]
    assert given == sorted(given)
    assert given[-1] == pytest.approx(0.6)
    assert combine(known, Said(("a", "b"), *strange[1]))[0][0] == "a"


def test_among_tasks_that_are_not_much_less_probable_a_pair_that_shares_is_chosen() -> None:
    image = Decision(("letters", "digits"), (0.8, 0.2), 0.5)
    sound = Decision(("spoken", "birds"), (0.95, 0.05), 0.5)
    shared = {("digits", "spoken"), ("letters", "birds")}
    assert choose_pair(image, sound, lambda a, b: (a, b) in shared) == ("digits", "spoken")
    assert choose_pair(image, sound, lambda a, b: False) == ("letters", "spoken")


def test_a_task_that_is_much_less_probable_is_not_chosen_for_what_it_shares() -> None:
    image = Decision(("letters", "digits"), (0.95, 0.05), 0.5)
    sound = Decision(("spoken",), (1.0,), 0.5)
    assert choose_pair(image, sound, lambda a, b: a == "digits") == ("letters", "spoken")


def test_of_several_pairs_that_share_the_most_probable_is_chosen() -> None:
    image = Decision(("a", "b"), (0.55, 0.45), 0.5)
    sound = Decision(("c", "d"), (0.6, 0.4), 0.5)
    assert choose_pair(image, sound, lambda a, b: a == "b") == ("b", "c")
