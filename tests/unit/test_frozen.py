"""Frozen pathways: bytes out and in without a changed bit; whatever is damaged is refused."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from pathways import (
    FrozenPathway,
    PathwayId,
    PathwaySpec,
    Revision,
    SignatureError,
    StoredPathway,
    WeightsError,
    load_source,
)
from pathways.frozen import load_body, probe_inputs
from pathways.weights import pack, sha256
from tests.unit.fakes import made_up_spec
from tests.unit.networks import Sets

Stored = dict[str, StoredPathway]


def repacked(stored: StoredPathway, tensors: dict[str, Tensor]) -> StoredPathway:
    """Another weight file with the hash that belongs to it."""
    weights = pack(tensors)
    return StoredPathway(spec=replace(stored.spec, weights_sha256=sha256(weights)), weights=weights)


def load(stored: Stored, name: str) -> FrozenPathway:
    source = stored[name].spec.source
    return FrozenPathway.load(stored[name], stored[source.task] if source else None)


@pytest.mark.parametrize("name", ["digits", "lower", "upper", "spoken"])
def test_a_pathway_read_back_answers_bit_for_bit_the_same(
    stored: Stored, sets: Sets, name: str
) -> None:
    spec = PathwaySpec.from_json(stored[name].spec.to_json())
    copied = {**stored, name: StoredPathway(spec=spec, weights=bytes(stored[name].weights))}
    x = sets[name][1].x[:50]
    first, again = (load(given, name).probabilities(x) for given in (stored, copied))
    assert first.tobytes() == again.tobytes()
    assert (first.shape, first.dtype) == ((50, len(spec.labels)), np.float32)
    np.testing.assert_allclose(first.sum(axis=1), 1.0, rtol=1e-5)


@pytest.mark.parametrize("name", ["digits", "lower", "upper", "spoken"])
def test_weights_packed_again_are_the_same_bytes(stored: Stored, name: str) -> None:
    assert pack(stored[name].tensors()) == stored[name].weights


@pytest.mark.parametrize("name", ["digits", "upper", "spoken"])
def test_the_hash_in_the_spec_is_that_of_the_weights(stored: Stored, name: str) -> None:
    assert stored[name].spec.weights_sha256 == sha256(stored[name].weights)


def test_a_flipped_byte_anywhere_is_refused_naming_the_pathway(stored: Stored) -> None:
    body = stored["digits"].weights
    inside = np.random.default_rng(0).integers(0, len(body), 60).tolist()
    for position in (0, 7, 8, 9, *inside, len(body) - 1):
        damaged = bytearray(body)
        damaged[position] ^= 1
        with pytest.raises(WeightsError, match="the weights of digits@1 are damaged"):
            FrozenPathway.load(replace(stored["digits"], weights=bytes(damaged)))


@pytest.mark.parametrize("keep", [0, 4, 1000, -1])
def test_a_cut_off_weight_file_is_refused(stored: Stored, keep: int) -> None:
    cut = replace(stored["digits"], weights=stored["digits"].weights[:keep])
    with pytest.raises(WeightsError, match=r"digits@1 are damaged: .* restore the file"):
        FrozenPathway.load(cut)


def test_damage_in_the_source_is_refused_too(stored: Stored) -> None:
    damaged = replace(stored["lower"], weights=stored["lower"].weights + b"x")
    for use in (lambda: FrozenPathway.load(stored["upper"], damaged), lambda: load_source(damaged)):
        with pytest.raises(WeightsError, match="the weights of lower@1 are damaged"):
            use()


def test_a_file_of_another_kind_is_refused_whatever_its_hash(stored: Stored) -> None:
    spec = replace(stored["digits"].spec, weights_sha256=sha256(b"not tensors"))
    with pytest.raises(WeightsError, match="the weights of digits@1 are no safetensors file"):
        FrozenPathway.load(StoredPathway(spec=spec, weights=b"not tensors"))


@pytest.mark.parametrize("name", ["body.layer.bias", "head.weight"])
def test_a_missing_tensor_is_refused(stored: Stored, name: str) -> None:
    tensors = {k: v for k, v in stored["digits"].tensors().items() if k != name}
    with pytest.raises(WeightsError, match=f"digits@1 does not fit its spec(.|\n)*{name}"):
        FrozenPathway.load(repacked(stored["digits"], tensors))


@pytest.mark.parametrize("name", ["probe.input", "probe.output"])
def test_missing_probes_are_refused(stored: Stored, name: str) -> None:
    tensors = {k: v for k, v in stored["digits"].tensors().items() if k != name}
    with pytest.raises(WeightsError, match=f"the weight file of digits@1 has no {name}"):
        FrozenPathway.load(repacked(stored["digits"], tensors))


def test_a_tensor_of_another_shape_is_refused(stored: Stored) -> None:
    tensors = {**stored["digits"].tensors(), "head.bias": torch.zeros(11)}
    with pytest.raises(WeightsError, match="digits@1 does not fit its spec"):
        FrozenPathway.load(repacked(stored["digits"], tensors))


def test_a_tensor_too_many_is_refused(stored: Stored) -> None:
    tensors = {**stored["digits"].tensors(), "extra": torch.zeros(1)}
    with pytest.raises(WeightsError, match="digits@1 does not fit its spec"):
        FrozenPathway.load(repacked(stored["digits"], tensors))


def test_a_linked_pathway_needs_its_own_source(stored: Stored) -> None:
    with pytest.raises(WeightsError, match="upper@1 needs source lower@1, got None"):
        FrozenPathway.load(stored["upper"])
    with pytest.raises(WeightsError, match="upper@1 needs source lower@1, got digits@1"):
        FrozenPathway.load(stored["upper"], stored["digits"])


def test_another_version_of_the_source_is_refused(stored: Stored) -> None:
    newer = replace(stored["lower"], spec=replace(stored["lower"].spec, id=PathwayId("lower", 2)))
    with pytest.raises(WeightsError, match="upper@1 needs source lower@1, got lower@2"):
        FrozenPathway.load(stored["upper"], newer)


def test_a_pathway_without_links_takes_no_source(stored: Stored) -> None:
    with pytest.raises(WeightsError, match="digits@1 needs source None, got lower@1"):
        FrozenPathway.load(stored["digits"], stored["lower"])


def test_links_are_not_chained(stored: Stored) -> None:
    """upper reads lower's body, and needs nothing of digits, from which lower has links."""
    assert stored["lower"].spec.source == PathwayId("digits")
    assert FrozenPathway.load(stored["upper"], stored["lower"]).verify().identical


@pytest.mark.parametrize("name", ["digits", "lower", "upper", "fashion", "spoken"])
def test_an_untouched_pathway_proves_identical(stored: Stored, name: str) -> None:
    result = load(stored, name).verify()
    assert result.identical
    assert result.difference == 0.0


def test_verifying_after_predicting_is_still_identical(stored: Stored, sets: Sets) -> None:
    pathway = load(stored, "upper")
    pathway.probabilities(sets["upper"][1].x)
    assert pathway.verify().identical


@pytest.mark.parametrize("name", ["digits", "lower", "spoken"])
def test_one_weight_changed_in_a_loaded_model_is_noticed(stored: Stored, name: str) -> None:
    pathway = load(stored, name)
    with torch.no_grad():
        pathway.as_source().head.bias[0] += 0.01
    result = pathway.verify()
    assert not result.identical
    assert result.difference > 0


def test_another_source_body_in_a_loaded_model_is_noticed(stored: Stored) -> None:
    tampered = load_body(stored["lower"])
    with torch.no_grad():
        next(tampered.parameters()).mul_(1.1)
    tensors = {
        **stored["lower"].tensors(),
        **{f"body.{k}": v for k, v in tampered.state_dict().items()},
    }
    source = repacked(stored["lower"], tensors)
    assert not FrozenPathway.load(stored["upper"], source).verify().identical


def test_nothing_in_a_frozen_pathway_can_be_trained(stored: Stored) -> None:
    source = load(stored, "upper").as_source()
    assert not source.body.training
    assert not any(p.requires_grad for p in source.body.parameters())
    assert not any(p.requires_grad for p in source.head.parameters())


def test_a_resident_pathway_lends_what_its_file_lends(stored: Stored, sets: Sets) -> None:
    x = torch.from_numpy(sets["upper"][1].x[:20])
    given = [load(stored, "lower").as_source(), load_source(stored["lower"])]
    hidden = [source.hidden(x) for source in given]
    assert torch.equal(hidden[0], hidden[1])
    assert torch.equal(given[0].probabilities(hidden[0]), given[1].probabilities(hidden[1]))
    assert given[0].id == given[1].id == PathwayId("lower")


@pytest.mark.parametrize("shape", [(3, 28, 28), (3, 28, 28, 3), (3, 27, 28, 1), (3, 784)])
def test_inputs_of_another_shape_are_refused(stored: Stored, shape: tuple[int, ...]) -> None:
    message = r"digits@1 reads image-28x28x1 as uint8, got uint8 inputs \[" + ", ".join(
        map(str, shape[1:])
    )
    with pytest.raises(SignatureError, match=message):
        load(stored, "digits").probabilities(np.zeros(shape, np.uint8))


def test_no_inputs_give_no_answers(stored: Stored) -> None:
    answers = load(stored, "upper").probabilities(np.zeros((0, 28, 28, 1), np.uint8))
    assert (answers.shape, answers.dtype) == ((0, 26), np.float32)


def test_many_inputs_are_answered_in_their_order(stored: Stored, sets: Sets) -> None:
    x = sets["upper"][1].x[:300]
    pathway = load(stored, "upper")
    one_by_one = np.concatenate([pathway.probabilities(row[None]) for row in x[250:262]])
    np.testing.assert_allclose(pathway.probabilities(x)[250:262], one_by_one, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ["digits", "spoken"])
def test_probes_are_made_up_and_always_the_same(stored: Stored, name: str) -> None:
    signature = stored[name].spec.signature
    assert torch.equal(probe_inputs(signature), probe_inputs(signature))
    assert torch.equal(stored[name].tensors()["probe.input"], probe_inputs(signature))


@pytest.mark.parametrize("name", ["digits", "upper", "spoken"])
def test_a_spec_reads_back_equal(stored: Stored, name: str) -> None:
    assert PathwaySpec.from_json(stored[name].spec.to_json()) == stored[name].spec


def test_a_spec_remembers_what_its_version_came_of() -> None:
    facts = {"accuracy_before": 0.9, "examples": 100}
    revision = Revision(kind="improved", of=PathwayId("digits", 1), facts=facts)
    spec = replace(made_up_spec("digits@2"), revision=revision)
    assert PathwaySpec.from_json(spec.to_json()) == spec


def test_a_spec_of_an_earlier_release_is_read() -> None:
    fields = json.loads(made_up_spec("digits@1").to_json())
    del fields["revision"], fields["training"]["held_out_share"]
    assert PathwaySpec.from_fields(fields) == made_up_spec("digits@1")


def test_a_spec_of_another_format_is_refused() -> None:
    fields = {**json.loads(made_up_spec("digits@1").to_json()), "format": 2}
    with pytest.raises(WeightsError, match="has format 2, this version reads 1; use the version"):
        PathwaySpec.from_json(json.dumps(fields))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "3", "{}", '{"format": 1}'])
def test_text_that_is_no_spec_is_refused(text: str) -> None:
    with pytest.raises(WeightsError, match="a pathway spec cannot be read"):
        PathwaySpec.from_json(text)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("id", "digits"),
        ("signature", "image"),
        ("labels", None),
        ("links", [{"source_class": 1}]),
        ("training", {}),
        ("unheard_of", 1),
    ],
)
def test_a_spec_with_a_damaged_field_is_refused(name: str, value: object) -> None:
    fields = {**json.loads(made_up_spec("digits@1").to_json()), name: value}
    with pytest.raises(WeightsError, match="a pathway spec cannot be read"):
        PathwaySpec.from_json(json.dumps(fields))


@pytest.mark.parametrize("threads", [1, 2])
def test_probes_answer_the_same_bits_on_any_number_of_threads(
    stored: dict[str, StoredPathway], threads: int
) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        assert FrozenPathway.load(stored["digits"]).verify().identical
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
