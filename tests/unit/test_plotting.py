"""Pictures of networks and answers: what is in them, and what is said without matplotlib."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import matplotlib
import numpy as np
import pytest
from matplotlib import pyplot

from cluster.inputs import Input
from cluster.messages import Activation, Answer, NetworkView
from cluster.registry import PathwayEntry, Registry
from pathways import PathwayId, audio_signature
from tests.unit.fakes import made_up_entry

matplotlib.use("Agg")

ANSWER = Answer(
    probabilities=(("7", 0.9), ("1", 0.1)),
    activated=(Activation(pathway=PathwayId("digits"), weight=1.0),),
    unknown=False,
    network_version=1,
)


@pytest.fixture(autouse=True)
def no_figure_is_left() -> Iterator[None]:
    yield
    pyplot.close("all")


def heard(entry: PathwayEntry) -> PathwayEntry:
    """The same, of a sound task."""
    return replace(entry, spec=replace(entry.spec, signature=audio_signature()))


def view(*entries: PathwayEntry, **slots: int) -> NetworkView:
    held = {PathwayId(task): slot for task, slot in slots.items()}
    return NetworkView(epoch=1, registry=Registry().publish(entries), placement={}, slots=held)


def words(axes: Any) -> set[str]:
    return {text.get_text() for text in axes.texts}


def test_a_network_shows_tasks_links_and_modalities() -> None:
    drawn = view(
        made_up_entry("digits@1"),
        made_up_entry("lower@1", source="digits@1"),
        heard(made_up_entry("spoken@1")),
        digits=0,
    ).plot()
    assert words(drawn) == {"digits", "lower", "spoken", "0.80"}
    assert [t.get_text() for t in drawn.get_legend().get_texts()] == ["image", "audio", "dormant"]
    assert drawn.get_title() == "network version 1: 3 tasks, 1 links"
    assert len(drawn.patches) == 1, "one arrow"
    below = {text.get_text(): text.xy[1] for text in drawn.texts if hasattr(text, "xy")}
    assert below["lower"] < below["digits"] == below["spoken"]
    drawn.figure.canvas.draw()


def test_a_large_network_has_no_names_and_an_empty_one_no_nodes() -> None:
    large = view(*(made_up_entry(f"task{i}@1") for i in range(500)))
    assert words(large.plot()) == set()
    assert view().plot().get_title() == "network version 1: 0 tasks, 0 links"


def test_a_network_is_drawn_where_it_is_told() -> None:
    axes = pyplot.subplots()[1]
    assert view(made_up_entry("digits@1")).plot(axes) is axes


@pytest.mark.parametrize(
    "given",
    [
        Input(array=np.zeros((28, 28, 1), np.uint8)),
        Input(array=np.zeros((28, 28, 3), np.uint8)),
        Input(array=np.zeros(8000, np.float32), rate_hz=8000),
    ],
    ids=["grey", "colour", "sound"],
)
def test_an_answer_is_drawn_beside_its_input(given: Input) -> None:
    shown, labels = replace(ANSWER, given=given).plot()
    assert shown.images or shown.lines
    assert words(labels) == {"0.900", "0.100"}
    assert [tick.get_text() for tick in labels.get_yticklabels()] == ["7", "1"]
    assert labels.get_title() == "by digits@1 1.00"
    labels.figure.canvas.draw()


def test_an_answer_without_input_or_label_is_drawn_too() -> None:
    (labels,) = ANSWER.plot()
    assert words(labels) == {"0.900", "0.100"}
    unknown = replace(ANSWER, probabilities=(), activated=(), unknown=True)
    assert unknown.plot()[0].get_title() == "unlike everything learned"


def test_the_input_of_an_answer_is_no_part_of_what_is_compared_or_shown() -> None:
    with_input = replace(ANSWER, given=Input(array=np.zeros((2, 2, 1), np.uint8)))
    assert with_input == ANSWER
    assert repr(with_input) == repr(ANSWER)


def test_without_matplotlib_it_is_said_what_to_install() -> None:
    script = """
import sys
sys.modules["matplotlib"] = None
from cluster.messages import NetworkView
from cluster.registry import Registry
try:
    NetworkView(epoch=1, registry=Registry(), placement={}).plot()
except ValueError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert "pip install 'sen-ray[plot]'" in done.stdout
