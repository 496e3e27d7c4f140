"""A user's own module as a pathway: what it must keep to, and what happens where it does not."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from pathways import (
    FamilyError,
    FrozenPathway,
    LearnConfig,
    ModuleMissingError,
    PathwayId,
    PathwaySpec,
    StoredPathway,
    TrainConfig,
    WeightsError,
    audio_signature,
    check_learnable,
    image_signature,
    learn,
    load_source,
)
from pathways.families import make_body
from pathways.weights import check_weights, pack, read_weights, unpack
from tests.unit.networks import Sets
from tests.unit.own_modules import Conv

HERE = "tests.unit.own_modules"
SHORT = TrainConfig(epochs=3, min_steps=100, learning_rate=1e-2)
CONV = LearnConfig(family=f"{HERE}:Conv", options={"sizes": [16, 5]}, train=SHORT)


@pytest.fixture(scope="module")
def digits(sets: Sets) -> StoredPathway:
    return learn(PathwayId("digits"), sets["digits"][0], [], CONV)


def module(what: str) -> LearnConfig:
    return LearnConfig(family=f"{HERE}:Returns", options={"what": what}, train=SHORT)


def accuracy(given: StoredPathway, source: StoredPathway | None, sets: Sets, name: str) -> float:
    test = sets[name][1]
    answers = FrozenPathway.load(given, source).probabilities(test.x)
    return float((answers.argmax(axis=1) == test.y).mean())


def test_a_module_is_learned_stored_and_proves_itself(sets: Sets, digits: StoredPathway) -> None:
    assert accuracy(digits, None, sets, "digits") > 0.7
    assert (digits.spec.family, digits.spec.options) == (f"{HERE}:Conv", {"sizes": [16, 5]})
    spec = PathwaySpec.from_json(digits.spec.to_json())
    again = FrozenPathway.load(StoredPathway(spec=spec, weights=digits.weights))
    assert again.verify().identical
    assert again.model.body.width == 16


def test_a_module_lends_and_reads(sets: Sets, digits: StoredPathway) -> None:
    source = load_source(digits)
    how = replace(CONV, threshold=0.4, shots=20)
    given = learn(PathwayId("lower"), sets["lower"][0], [source], how)
    assert given.spec.source == PathwayId("digits")
    assert given.spec.source_width == 16
    assert FrozenPathway.load(given, digits).verify().identical
    mlp = learn(PathwayId("m"), sets["lower"][0], [source], replace(how, family=None, options={}))
    assert mlp.spec.source == PathwayId("digits")


def test_a_module_may_read_sounds() -> None:
    body = make_body(f"{HERE}:Sound", audio_signature(8_000, 4_000))
    assert body.width == 20
    assert body(body.prepare(torch.zeros(3, 4_000))).shape == (3, 20)


def test_float64_units_are_taken_as_float32(sets: Sets) -> None:
    given = learn(PathwayId("d"), sets["digits"][0], [], replace(module("double"), shots=2))
    assert all(t.dtype == torch.float32 for n, t in given.tensors().items() if n == "head.weight")


def test_arguments_that_differ_make_other_bodies() -> None:
    one, other = (
        make_body(f"{HERE}:Conv", image_signature(), {"channels": n}).options for n in (2, 3)
    )
    assert one != other
    assert one == make_body(f"{HERE}:Conv", image_signature(), {"channels": 2}).options


@pytest.mark.parametrize(
    ("family", "message"),
    [
        ("nowhere.at_all:Net", "No module named 'nowhere'; .* PYTHONPATH there before `sen up`"),
        (":Net", "cannot be imported here"),
        (".relative:Net", "cannot be imported here"),
        (f"{HERE}:Missing", "names nothing; it must name a class of torch.nn.Module"),
        (f"{HERE}:", "names nothing; it must name a class"),
        (f"{HERE}:function", "names <function function .*; it must name a class"),
        (f"{HERE}:NoModule", "names <class .*NoModule'>; it must name a class"),
        (f"{HERE}:sys", "names <module 'sys' .*; it must name a class"),
    ],
)
def test_what_is_no_module_is_refused(sets: Sets, family: str, message: str) -> None:
    how, data = LearnConfig(family=family), sets["digits"][0]
    with pytest.raises(FamilyError, match=message):
        learn(PathwayId("d"), data, [], how)
    with pytest.raises(FamilyError, match=message):
        check_learnable(how, data.signature, weights=False)


def test_a_module_that_fails_while_it_is_imported_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sets: Sets
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    for name, body in {"broken": "1 / 0", "leaves": "import sys; sys.exit(2)", "torn": "("}.items():
        (tmp_path / f"own_{name}.py").write_text(body)
        with pytest.raises(ModuleMissingError, match=f"own_{name}:Net cannot be imported here: "):
            make_body(f"own_{name}:Net", sets["digits"][0].signature)
        sys.modules.pop(f"own_{name}", None)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"chanels": 3},
            "unexpected keyword argument 'chanels'; its arguments are channels, sizes",
        ),
        ({"channels": {1, 2}}, "must be plain values that JSON can hold"),
        ({"channels": float("nan")}, "must be plain values that JSON can hold"),
    ],
)
def test_wrong_arguments_are_refused_before_anything_is_made(
    options: dict[str, Any], message: str
) -> None:
    how = LearnConfig(family=f"{HERE}:Conv", options=options)
    with pytest.raises(FamilyError, match=message):
        check_learnable(how, image_signature(), weights=False)


def test_a_missing_argument_is_named() -> None:
    with pytest.raises(FamilyError, match="missing a required argument: 'what'"):
        check_learnable(LearnConfig(family=f"{HERE}:Returns"), image_signature(), weights=False)


@pytest.mark.parametrize("options", [{"channels": "many"}, {"channels": -1}])
def test_arguments_that_the_class_itself_refuses_are_told(sets: Sets, options: Any) -> None:
    with pytest.raises(FamilyError, match=r"Conv failed: \w+Error: "):
        learn(PathwayId("d"), sets["digits"][0], [], replace(CONV, options=options))


@pytest.mark.parametrize(
    ("what", "message"),
    [
        (
            "images",
            r"gave float32 \[2, 1, 28, 28\] for 2 inputs of image-28x28x1; its forward must",
        ),
        ("one row", r"gave float32 \[1, 4\] for 2 inputs"),
        ("integers", r"gave int32 \[2, 4\] for 2 inputs .* float32 \[2, width\]"),
        ("tuple", "gave tuple for 2 inputs"),
        ("noise", "other hidden units for the same input the second time"),
        ("nan", "let nothing be NaN"),
        ("raises", "Returns failed: ZeroDivisionError: in the user's code"),
        ("raises in training", "Returns failed: ZeroDivisionError: in the user's code"),
        ("exits", "Returns failed: SystemExit: 3"),
        ("grown", r"gave float32 \[\d+, 8\] for \d+ inputs .* float32 \[\d+, 4\]"),
    ],
)
def test_a_module_that_breaks_the_contract_is_told_how(sets: Sets, what: str, message: str) -> None:
    with pytest.raises(FamilyError, match=message):
        learn(PathwayId("d"), sets["digits"][0], [], module(what))


def test_a_module_that_its_weight_file_does_not_hold_whole_is_refused(sets: Sets) -> None:
    with pytest.raises(FamilyError, match=r"other answers once it is stored .* or a buffer"):
        learn(
            PathwayId("d"),
            sets["digits"][0],
            [],
            replace(CONV, family=f"{HERE}:Hidden", options={}),
        )


def test_a_module_that_takes_no_weights_is_refused(sets: Sets) -> None:
    with pytest.raises(FamilyError, match=r"Stubborn cannot be filled .*: not from you"):
        make_body(f"{HERE}:Stubborn", sets["digits"][0].signature)


def test_a_module_that_does_not_learn_is_not_kept(sets: Sets) -> None:
    with pytest.raises(FamilyError, match=r"Diverges came to a loss of (nan|inf); lower the"):
        learn(PathwayId("d"), sets["digits"][0], [], LearnConfig(family=f"{HERE}:Diverges"))


def test_a_module_that_is_not_here_makes_its_pathway_unavailable(digits: StoredPathway) -> None:
    away = StoredPathway(
        spec=replace(digits.spec, family="nowhere.at_all:Net"), weights=digits.weights
    )
    with pytest.raises(ModuleMissingError, match="No module named 'nowhere'"):
        FrozenPathway.load(away)


def test_a_module_that_was_changed_does_not_fit_its_weights(digits: StoredPathway) -> None:
    changed = StoredPathway(
        spec=replace(digits.spec, options={"sizes": [16, 3]}), weights=digits.weights
    )
    with pytest.raises(WeightsError, match="digits@1 does not fit its spec"):
        FrozenPathway.load(changed)


# --- a file of weights


def weights_of_conv(**changed: Any) -> dict[str, torch.Tensor]:
    torch.manual_seed(5)
    net = Conv(sizes=[16, 5])
    net(torch.rand(2, 1, 28, 28))
    return unpack(pack({**net.state_dict(), **changed}), None, "net")


def test_a_module_starts_from_a_file_of_weights(sets: Sets) -> None:
    initial = weights_of_conv()
    how = replace(CONV, train=TrainConfig(epochs=1, min_steps=0, learning_rate=1e-9))
    given = learn(PathwayId("d"), sets["digits"][0], [], how, initial=initial).tensors()
    torch.testing.assert_close(given["body.module.out.weight"], initial["out.weight"])


def test_weights_that_do_not_fit_are_refused(sets: Sets) -> None:
    for initial, message in [
        ({}, r"it has no conv\.weight, conv\.bias, norm\.weight and \d+ more"),
        (weights_of_conv(more=torch.ones(1)), "it has more"),
        (weights_of_conv(**{"conv.weight": torch.ones(2)}), r"has conv\.weight \[2\] in place of"),
    ]:
        with pytest.raises(FamilyError, match=message):
            learn(PathwayId("d"), sets["digits"][0], [], CONV, initial=initial)


@pytest.mark.parametrize("body", [b"", b"PK\x03\x04", b"\x80\x02}q\x00.", b"\xff" * 99])
def test_a_file_of_another_kind_is_refused_with_the_way_to_convert_it(
    tmp_path: Path, body: bytes
) -> None:
    path = tmp_path / "resnet18.pth"
    path.write_bytes(body)
    with pytest.raises(FamilyError, match=r"resnet18\.pth is no safetensors file.*python -c"):
        read_weights(path)
    with pytest.raises(FamilyError, match=r"cannot read the weights in .*nowhere"):
        read_weights(tmp_path / "nowhere.safetensors")


def test_the_way_to_convert_a_file_works(tmp_path: Path) -> None:
    import subprocess

    net = torch.nn.Linear(2, 2)
    torch.save(net.state_dict(), tmp_path / "IN.pth")
    with pytest.raises(FamilyError) as refused:
        check_weights((tmp_path / "IN.pth").read_bytes(), "IN.pth")
    command = str(refused.value).partition("python -c ")[2]
    line = f"{sys.executable} -c {command}"
    subprocess.run(["bash", "-c", line], cwd=tmp_path, check=True, timeout=100)
    given = unpack(read_weights(tmp_path / "OUT.safetensors"), None, "OUT")
    torch.testing.assert_close(given["weight"], net.weight.detach())
