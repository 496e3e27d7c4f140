"""Computing elsewhere than on the CPU: all that a model needs goes along, nothing stays there.

On a pretended device everywhere, and on a GPU where torch has one.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cluster.bodies import Bodies
from cluster.slot import Slot
from pathways import (
    FrozenPathway,
    ImproveConfig,
    LearnConfig,
    PathwayId,
    PruneConfig,
    ShareConfig,
    StoredPathway,
    TaskData,
    TrainConfig,
    image_signature,
    improve,
    learn,
    learn_sharing,
    load_source,
    prune,
    run_together,
)
from pathways.data.paired import PairedData
from pathways.device import CPU, GPU, choose_device, device_of, gpu_problem, on_device
from pathways.pairing import Beside, PairConfig, Side, halves, learn_together
from tests.unit.kinds import kinds
from tests.unit.networks import LearnedNetwork, Sets, publish_all
from tests.unit.pretend import PRETEND

Stored = dict[str, StoredPathway]

NO_GPU = gpu_problem()
SHORT = TrainConfig(epochs=1, min_steps=20, batch_size=64)
DIGITS, LOWER = PathwayId("digits"), PathwayId("lower")
OWN = "tests.unit.own_modules:"


@pytest.fixture(
    params=[
        pytest.param(PRETEND, id="pretend"),
        pytest.param(GPU, id="gpu", marks=pytest.mark.skipif(bool(NO_GPU), reason=str(NO_GPU))),
    ]
)
def device(request: pytest.FixtureRequest) -> torch.device:
    chosen: torch.device = request.param
    return choose_device(1) if chosen == GPU else chosen


def source_of(stored: Stored, name: str) -> StoredPathway | None:
    source = stored[name].spec.source
    return stored[source.task] if source else None


def assert_alike(here: StoredPathway, there: StoredPathway) -> None:
    """Learned on two devices: the same but for what rounding makes of it in training."""
    assert there.tensors().keys() == here.tensors().keys()
    for name, tensor in there.tensors().items():
        assert tensor.device == CPU
        torch.testing.assert_close(tensor, here.tensors()[name], rtol=0.02, atol=0.02)


# --- the pretended device ------------------------------------------------------------------------


def test_the_pretended_device_refuses_what_a_gpu_refuses() -> None:
    there, here = torch.ones(3, 4).to(PRETEND), torch.ones(3, 4)
    assert float((there + 1).sum()) == 24
    for mixed in (lambda: there + here, lambda: nn.Linear(4, 2)(there), lambda: there.numpy()):
        with pytest.raises((RuntimeError, TypeError)):
            mixed()


# --- answering -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["digits", "upper", "spoken"])
def test_a_pathway_answers_there_as_on_the_cpu(
    stored: Stored, sets: Sets, device: torch.device, name: str
) -> None:
    x, source = sets[name][1].x[:300], source_of(stored, name)
    here = FrozenPathway.load(stored[name], source)
    there = FrozenPathway.load(stored[name], source, device=device)
    assert (here.device, there.device) == (CPU, device)
    assert {tensor.device for tensor in there.weights.values()} == {device}
    assert there.source_body is None or device_of(there.source_body) == device
    np.testing.assert_allclose(there.probabilities(x), here.probabilities(x), atol=1e-4)


def test_probes_there_may_differ_by_rounding_and_no_more(
    stored: Stored, device: torch.device
) -> None:
    pathway = FrozenPathway.load(stored["digits"], device=device)
    assert pathway.verify().unchanged
    bias = pathway.model.head.bias
    with torch.no_grad():
        bias += torch.linspace(0, 1e-5, len(bias)).to(device)
    nearly = pathway.verify()
    assert (nearly.identical, nearly.rounded, nearly.unchanged) == (False, True, True)
    with torch.no_grad():
        bias += torch.linspace(0, 0.1, len(bias)).to(device)
    assert not pathway.verify().unchanged


def test_on_the_cpu_a_single_bit_more_is_a_difference(stored: Stored) -> None:
    pathway = FrozenPathway.load(stored["digits"])
    with torch.no_grad():
        pathway.model.head.bias += torch.linspace(0, 1e-4, len(pathway.model.head.bias))
    found = pathway.verify()
    assert (found.identical, found.rounded, found.unchanged) == (False, False, False)


def test_many_small_ones_run_there_as_one(device: torch.device) -> None:
    x = np.random.default_rng(0).integers(0, 256, (24, 8, 8, 1), np.uint8)
    task = TaskData(
        x=x,
        y=np.arange(24) % 3,
        labels=("a", "b", "c"),
        signature=image_signature(height=8, width=8),
    )
    how = LearnConfig(options={"hidden": 8}, held_out_share=0.0, train=SHORT)
    made = [learn(PathwayId(f"t{n}"), task, [], replace(how, seed=n)) for n in range(13)]
    here = run_together([(FrozenPathway.load(m), x[:2]) for m in made])
    there = run_together([(FrozenPathway.load(m, device=device), x[:2]) for m in made])
    np.testing.assert_allclose(there, here, atol=1e-4)


def test_what_is_fitted_stays_on_the_cpu(sets: Sets, device: torch.device) -> None:
    data = sets["digits"][0].shots(4, np.random.default_rng(0))
    for family, options in (("forest", {"trees": 10}), ("svm", {})):
        how = LearnConfig(family=family, options=options, held_out_share=0.0)
        made = learn(DIGITS, data, [], how, device=device)
        assert made.weights == learn(DIGITS, data, [], how).weights
        loaded = FrozenPathway.load(made, device=device)
        assert loaded.device == CPU and loaded.verify().identical
        assert load_source(made).to(device).body is not None


# --- slots ---------------------------------------------------------------------------------------


def test_a_slot_computes_there_and_lends_what_any_process_can_read(
    network: LearnedNetwork, sets: Sets, device: torch.device
) -> None:
    slots = [Slot(network.store.uri), Slot(network.store.uri, device=device)]
    given, x = [], sets["lower"][1].x[:5]
    for slot in slots:
        for task in ("lower", "digits"):
            entry = network.registry.entry(task)
            slot.load(entry, network.registry.source_of(entry))
        given.append(slot.run([(LOWER, x), (DIGITS, x)]))
        assert slot.verify(LOWER).unchanged
    if device == GPU:  # one body is read by both; what is pretended has no addresses
        assert slots[1].weight_bytes() == slots[0].weight_bytes()
    np.testing.assert_allclose(given[1][0], given[0][0], atol=1e-4)
    lent = slots[1].lend(DIGITS)
    assert (device_of(lent.body), device_of(lent.head)) == (CPU, CPU)


class Stays(nn.Module):
    """A user's module that makes tensors on the CPU, whatever it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(784, 8)

    def forward(self, images: Tensor) -> Tensor:
        return self.layer(images.flatten(1) * torch.ones(784))


def test_a_pathway_that_cannot_compute_there_does_so_on_the_cpu(
    sets: Sets, device: torch.device, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    data = sets["digits"][0]
    made = learn(DIGITS, data, [], LearnConfig(family=f"{__name__}:Stays", train=SHORT))
    network = publish_all(tmp_path / "store", {"digits": made}, {"digits": data})
    entry = network.registry.entry("digits")
    with caplog.at_level(logging.WARNING):
        loaded = Bodies(network.store, device).load(entry, None)
    assert loaded.device == CPU and loaded.verify().identical
    assert f"digits@1 computes on the CPU, not {device}: " in caplog.text


# --- learning ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("digits", LearnConfig(train=replace(SHORT, augment=True))),
        ("digits", LearnConfig(family="cnn", options={"channels": 4, "hidden": 16})),
        ("digits", LearnConfig(family=f"{OWN}Conv")),
        ("digits", LearnConfig(family="torchvision", options={"size": 32, "finetune": True})),
        ("spoken", LearnConfig(options={"channels": 4}, train=replace(SHORT, augment=True))),
    ],
    ids=["mlp", "cnn", "own", "torchvision", "melcnn"],
)
def test_a_task_is_learned_there_and_kept_on_the_cpu(
    sets: Sets, device: torch.device, name: str, how: LearnConfig
) -> None:
    data = sets[name][0].shots(6, np.random.default_rng(0))
    if how.train == TrainConfig():
        how = replace(how, train=replace(SHORT, min_steps=4, epochs=1, batch_size=30))
    made = learn(PathwayId(name), data, [], how, device=device)
    assert {tensor.device for tensor in made.tensors().values()} == {CPU}
    assert FrozenPathway.load(made).verify().identical
    if device == PRETEND and how.family != "torchvision":
        assert_alike(learn(PathwayId(name), data, [], how), made)


@pytest.mark.skipif(bool(NO_GPU), reason=str(NO_GPU))  # what is pretended has no kernel for it
def test_a_recurrent_pathway_is_learned_there(sets: Sets) -> None:
    how = LearnConfig(family="lstm", options={"units": 8}, train=SHORT)
    made = learn(PathwayId("spoken"), sets["spoken"][0], [], how, device=choose_device(1))
    assert FrozenPathway.load(made).verify().identical


def test_numbers_and_tables_and_texts_are_learned_there(device: torch.device) -> None:
    for data, _ in kinds().values():
        made = learn(PathwayId("it"), data, [], LearnConfig(train=SHORT), device=device)
        assert FrozenPathway.load(made).verify().identical


def test_links_are_found_and_trained_there(
    stored: Stored, sets: Sets, device: torch.device
) -> None:
    how = LearnConfig(threshold=0.5, train=replace(SHORT, augment=True))
    lent = load_source(stored["digits"])
    made = learn(LOWER, sets["lower"][0], [lent], how, device=device)
    assert made.spec.source == DIGITS and device_of(lent.body) == CPU
    assert FrozenPathway.load(made, stored["digits"]).verify().identical


def test_what_is_drawn_there_changes_nothing_outside(sets: Sets, device: torch.device) -> None:
    data, how = sets["digits"][0], LearnConfig(train=replace(SHORT, augment=True))
    before = torch.get_rng_state()
    first, again = (learn(DIGITS, data, [], how, device=device) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), before)
    if device == PRETEND:
        assert first.weights == again.weights


def test_a_pair_is_learned_there(sets: Sets, device: torch.device) -> None:
    rng = np.random.default_rng(0)
    data = PairedData(
        first=sets["digits"][0].shots(2, rng),
        second=sets["spoken"][0].shots(2, rng),
        x_first=sets["digits"][0].x[:40],
        x_second=sets["spoken"][0].x[:40],
    )
    how = LearnConfig(train=TrainConfig(epochs=3, min_steps=0, augment=True))
    ids = (DIGITS, PathwayId("spoken"))
    made = {}
    for where in (CPU, device):
        both = halves(ids, data, (how, how), PairConfig(sure=0.0))
        sides = [Side(half, device=where) for half in both]
        made[where] = learn_together(sides[0], Beside(sides[1]))
    for here, there in zip(made[CPU], made[device], strict=True):
        assert FrozenPathway.load(there).verify().identical
        if device == PRETEND:
            assert_alike(here, there)


def test_versions_are_made_there(stored: Stored, sets: Sets, device: torch.device) -> None:
    data, few = sets["lower"][0], LearnConfig(shots=5, train=SHORT)
    poor = learn(LOWER, data, [], few)
    how = ImproveConfig(shots=5, train=SHORT)
    better = improve(poor, None, data, [load_source(stored["upper"])], how, 2, device=device)
    smaller = prune(
        stored["upper"],
        stored["lower"],
        sets["upper"][0],
        PruneConfig(max_loss=0.9, train=replace(SHORT, augment=True)),
        2,
        device=device,
    )
    sharing = learn_sharing(
        PathwayId("new"),
        sets["fashion"][0],
        stored["digits"],
        None,
        sets["digits"][0],
        LearnConfig(train=replace(SHORT, augment=True)),
        ShareConfig(budget=0.9),
        2,
        device=device,
    )
    (better_one,), (smaller_one,) = better.pathways, smaller.pathways
    new, changed = sharing.pathways
    for made, source in (
        (better_one, stored["upper"]),
        (smaller_one, stored["lower"]),
        (new, changed),
        (changed, None),
    ):
        assert {tensor.device for tensor in made.tensors().values()} == {CPU}
        assert FrozenPathway.load(made, source).verify().identical


# --- which one -----------------------------------------------------------------------------------


def test_a_process_without_a_share_of_a_gpu_computes_on_the_cpu() -> None:
    assert choose_device(0) == CPU


@pytest.mark.skipif(NO_GPU is None, reason="torch has a GPU here")
def test_a_gpu_that_torch_cannot_use_is_told(caplog: pytest.LogCaptureFixture) -> None:
    assert choose_device(0.5) == CPU
    assert "a share of a GPU is reserved, but the CPU computes: torch" in caplog.text
    assert NO_GPU is not None and ("driver" in NO_GPU or "without CUDA" in NO_GPU)


def test_a_module_is_copied_to_move_and_else_left_alone(device: torch.device) -> None:
    layer = nn.Linear(2, 2)
    there = on_device(layer, device)
    assert (device_of(layer), device_of(there)) == (CPU, device)
    assert on_device(there, device) is there
    assert device_of(nn.ReLU()) == CPU
