"""EWC, LwF and PNN give what Avalanche's give for the same weights and data.

Avalanche's PNN has lateral connections between hidden layers only: its classifier reads nothing
but the column's own last layer, so that with the paper's one hidden layer its columns exchange
nothing (the first layer's adapters read the input). Rusu et al. (eq. 1) connect every layer above
the first, the output too. So whole models differ there, and what is compared is that layer:
Avalanche's column from hidden units to classes is our head with its adapter.
"""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import TensorDataset

from benchmarks.paper.systems.ewc import Anchor, importances
from benchmarks.paper.systems.lwf import distillation
from benchmarks.paper.systems.network import cross_entropy
from benchmarks.paper.systems.pnn import Column, hidden_units
from pathways import image_signature
from pathways.families import make_body

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", message="no QP solver found")  # of GEM, not used here
    from avalanche.models import PNN
    from avalanche.models.pnn import MLPAdapter, PNNColumn
    from avalanche.training import LearningWithoutForgetting
    from avalanche.training.plugins import EWCPlugin
    from avalanche.training.utils import copy_params_dict

BATCH, WIDTH, CLASSES = 32, 8, 5


def column(columns: int) -> Column:
    body = make_body("mlp", image_signature(4, 4), {"hidden": WIDTH})
    return Column(body, CLASSES, columns).eval()


def made_up_data(n: int) -> tuple[Tensor, Tensor]:
    return torch.rand(n, 16), torch.randint(CLASSES, (n,))


def network() -> nn.Module:
    return nn.Sequential(nn.Linear(16, WIDTH), nn.ReLU(), nn.Linear(WIDTH, CLASSES))


def plugin_importances(plugin: Any, model: nn.Module, x: Tensor, y: Tensor) -> Any:
    task_labels = torch.zeros(len(y), dtype=torch.int64)
    data = TensorDataset(x, y, task_labels)
    optimiser = torch.optim.Adam(model.parameters())
    return plugin.compute_importances(model, F.cross_entropy, optimiser, data, "cpu", BATCH)


@pytest.fixture(autouse=True)
def same_weights_every_time() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize("examples", [64, 70])
def test_ewc_importances_are_avalanche_s(examples: int) -> None:
    model, (x, y) = network(), made_up_data(examples)
    ours = importances(model, cross_entropy(model, x, y), examples, BATCH)
    theirs = plugin_importances(EWCPlugin(1.0), model, x, y)
    assert set(ours) == set(theirs)
    for name, importance in ours.items():
        assert importance.any(), name
        torch.testing.assert_close(importance, theirs[name].data)


def test_ewc_s_penalty_on_two_earlier_tasks_is_avalanche_s() -> None:
    class Strategy:
        """What the plugin asks of one."""

        device = "cpu"

        class clock:  # noqa: N801
            train_exp_counter = 2

    model, plugin, anchors = network(), EWCPlugin(7.0), []
    for earlier in range(2):
        x, y = made_up_data(64)
        plugin.update_importances(plugin_importances(plugin, model, x, y), earlier)
        importance = importances(model, cross_entropy(model, x, y), 64, BATCH)
        value = {name: p.detach().clone() for name, p in model.named_parameters()}
        anchors.append(Anchor(importance, value))
        plugin.saved_params[earlier] = copy_params_dict(model)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter))
    strategy: Any = Strategy()
    strategy.model, strategy.loss = model, torch.zeros(())
    plugin.before_backward(strategy)
    ours = 7.0 * sum((anchor.penalty(model) for anchor in anchors), torch.zeros(()))
    assert float(ours.detach()) > 0
    torch.testing.assert_close(ours, strategy.loss)


def test_distillation_is_avalanche_s() -> None:
    says, said = torch.randn(BATCH, CLASSES), torch.randn(BATCH, CLASSES)
    theirs = LearningWithoutForgetting(alpha=1, temperature=2.0)
    wanted = theirs._distillation_loss(says, said, range(CLASSES))
    torch.testing.assert_close(distillation(says, said, 2.0), wanted)


@pytest.mark.parametrize("earlier", [1, 3])
def test_pnn_s_output_layer_is_avalanche_s_column(earlier: int) -> None:
    ours, lenders = column(earlier), [column(k) for k in range(earlier)]
    x = torch.randint(256, (BATCH, 4, 4, 1), dtype=torch.uint8)
    own, lateral = ours.body(ours.body.prepare(x)), hidden_units(lenders, x)
    theirs = PNNColumn(WIDTH, CLASSES, earlier, adapter="mlp")
    copy_weights(ours, theirs)
    with torch.no_grad():
        hidden = [lender.body(lender.body.prepare(x)) for lender in lenders]
        wanted = theirs([*hidden, own])
        torch.testing.assert_close(ours.combine(own, lateral), wanted)
        assert not torch.allclose(ours.head(own), wanted)


def copy_weights(ours: Column, theirs: PNNColumn) -> None:
    """Ours into Avalanche's; V projects onto classes there, onto a column's width in eq. 2."""
    assert ours.adapter is not None
    adapter = theirs.adapter
    assert isinstance(adapter, MLPAdapter)
    adapter.V, adapter.U = nn.Linear(1, 1), nn.Linear(1, 1)
    for target, source in (
        (theirs.itoh, ours.head),
        (adapter.V, ours.adapter.project),
        (adapter.U, ours.adapter.output),
    ):
        target.weight, target.bias = source.weight, source.bias
    adapter.alphas = ours.adapter.scales


def test_with_one_hidden_layer_avalanche_s_columns_exchange_nothing() -> None:
    """The reason why whole models are not compared; if it fails, they could be."""
    model = PNN(num_layers=1, in_features=16, hidden_features_per_column=WIDTH)
    layer = model.layers[0]
    layer._add_column()
    layer.task_to_module_idx = {0: 0, 1: 1}
    model.classifier.masking = False
    model.classifier.classifiers["1"] = model.classifier.classifiers["0"]
    x = torch.rand(BATCH, 16)
    with torch.no_grad():
        before = model(x, 1)
        layer.columns[0].itoh.weight.zero_()
        assert torch.equal(model(x, 1), before)
        layer.columns[1].itoh.weight.zero_()
        assert not torch.equal(model(x, 1), before)
