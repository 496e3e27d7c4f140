"""What the command line makes of options, and what it says of learning."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from cluster.messages import ExpansionStatus, Stage
from deploy.commands import family_options
from deploy.report import learned_line, learning_remark, progress_bars, submit_and_follow
from deploy.schemas import task_info
from pathways import FamilyError
from tests.unit.networks import LearnedNetwork


def test_options_of_a_family_are_json_or_text() -> None:
    given = ["hidden=256", "c=0.5", "finetune=true", "backbone=resnet18", "sizes=[1, 2]", "at=a=b"]
    assert family_options([*given, 'name="7"', "empty="]) == {
        "hidden": 256,
        "c": 0.5,
        "finetune": True,
        "backbone": "resnet18",
        "sizes": [1, 2],
        "at": "a=b",
        "name": "7",
        "empty": "",
    }


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["hidden"], "'hidden' is no option; write it as NAME=VALUE"),
        (["=3"], "'=3' is no option"),
        (["a=1", "a=2"], "option a is given twice"),
    ],
)
def test_options_written_otherwise_are_refused(given: list[str], message: str) -> None:
    with pytest.raises(FamilyError, match=message):
        family_options(given)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "looking for links"),
        ({"epoch": 2, "epochs": 9, "loss": 0.5, "accuracy": 0.75}, "epoch 2/9, loss 0.500, "),
        ({"epoch": 30, "epochs": 99, "unit": "tree", "loss": float("nan")}, "fitting, tree 30/99"),
    ],
)
def test_learning_is_told_in_a_few_words(fields: dict[str, Any], said: str) -> None:
    status = ExpansionStatus(request="1-a", task="a", stage=Stage.LEARNING, **fields)
    assert learning_remark(status).startswith(said)


class Interrupted:
    """An expansion whose user presses Ctrl-C while it is followed."""

    def wait(self, report: Callable[[ExpansionStatus], None]) -> ExpansionStatus:
        raise KeyboardInterrupt


def interrupt() -> Any:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("submit", "said"),
    [(interrupt, "stopped while the network was given it"), (Interrupted, "it goes on")],
)
def test_ctrl_c_tells_whether_the_network_has_what_it_was_given(
    submit: Callable[[], Any], said: str
) -> None:
    console = Console(file=StringIO(), width=120)
    with progress_bars(console) as bars, pytest.raises(KeyboardInterrupt):
        submit_and_follow(bars, submit, "learn later")
    assert f"learn later: {said}; `sen status` shows" in console.file.getvalue()


def test_the_last_line_says_why_there_are_no_links(network: LearnedNetwork) -> None:
    entry = network.registry.entry("digits")
    assert learned_line(task_info(network.view(), entry)).endswith("no links")
    training = replace(entry.spec.training, remark="most similar to forest")
    told = replace(entry, spec=replace(entry.spec, training=training))
    task = task_info(network.view(), told)
    assert task.remark == "most similar to forest"
    assert learned_line(task).endswith(", no links: most similar to forest")
