"""Records in, the right figures out: tables, targets, summary and pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.paper import aggregate, plots, tables
from benchmarks.paper.paper_figures import TARGETS
from benchmarks.paper.record import Record
from benchmarks.paper.targets import Reached, judge
from benchmarks.paper.tasks import IMAGE_TASKS, TASKS
from pathways import TaskData, image_signature

SHOTS = (0, 5)


def made_up_record(system: str, seed: int, upper: float, **fields: Any) -> Record:
    """Five tasks, all at 80 % and nothing lost; UPPER at `upper` from any few shots."""
    learned = TASKS if system in ("sen", "single") else IMAGE_TASKS
    given: dict[str, Any] = {
        "profile": "paper",
        "system": system,
        "seed": seed,
        "tasks": learned,
        "matrix": tuple(dict.fromkeys(learned[: n + 1], 0.8) for n in range(len(learned))),
        "few_shot": {
            str(shots): {**dict.fromkeys(learned, 0.1), "upper": upper} for shots in SHOTS
        },
        "initial": dict.fromkeys(learned, 0.1),
        "seconds": dict.fromkeys(learned, 2.0),
        "memory_bytes": 1_000,
        "parameters": {task: 100 * n for n, task in enumerate(learned, start=1)},
        "test_examples": dict.fromkeys(learned, 10),
        "extra": {},
    }
    return Record(**{**given, **fields})


def link(source: str, source_label: str, target_label: str, similarity: float) -> dict[str, Any]:
    return {
        "source_task": source,
        "source_label": source_label,
        "target_label": target_label,
        "similarity": similarity,
    }


def asked(right: float) -> dict[str, Any]:
    figures = {"told": 0.9, "first": 0.95, "among_two": 0.999, "right": right}
    figures |= {"examples": 10, "right_ignoring_case": right + 0.01}
    return {"tasks": dict.fromkeys(IMAGE_TASKS, figures), "mean": figures, "overall": figures}


def sen_extra(right: float = 0.8, **fields: Any) -> dict[str, Any]:
    return {
        "links": {"upper": [link("lower", "z", "Z", 0.9)]},
        "active_share": dict.fromkeys(TASKS, 0.067),
        "changed_answers": dict.fromkeys(TASKS, 0),
        "untold": asked(right),
        **fields,
    }


@pytest.fixture
def systems() -> aggregate.Systems:
    """SEN and Single with two seeds, EWC with one, and joint training."""
    both = sen_extra(links={"upper": [link("lower", "z", "Z", 0.8), link("lower", "q", "Q", 0.75)]})
    level = dict.fromkeys(IMAGE_TASKS, 0.85)
    joint = made_up_record(
        "joint", 0, 0.0, matrix=(level,), few_shot={}, seconds={"all": 9.0}, parameters={"all": 50}
    )
    return {
        "sen": [
            made_up_record("sen", 0, 0.52, extra=sen_extra()),
            made_up_record("sen", 1, 0.56, extra=both),
        ],
        "single": [made_up_record("single", seed, 0.40) for seed in (0, 1)],
        "ewc": [made_up_record("ewc", 0, 0.02)],
        "joint": [Record(**{**vars(joint), "extra": {"untold": asked(0.83)}})],
    }


def row(table: str, *start: str) -> list[str]:
    """The cells after `start` of the only row that starts so."""
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()]
    (found,) = [cells for cells in rows if tuple(cells[: len(start)]) == start]
    return found[len(start) :]


def test_table_2_has_mean_deviation_and_the_papers_figure(systems: aggregate.Systems) -> None:
    table = tables.table_2(systems, SHOTS)
    upper, audio = row(table, "0-sample", "SEN")[3:]
    assert upper == "54.0 ± 2.8 *(53.3 ± 6.1)*"
    assert audio == "10.0 ± 0.0 *(9.9 ± 0.5)*"


def test_table_2_has_no_deviation_of_one_seed_and_no_figure_not_measured(
    systems: aggregate.Systems,
) -> None:
    upper, audio = row(tables.table_2(systems, SHOTS), "5-sample", "EWC")[3:]
    assert upper == "2.0 *(21.0 ± 3.4)*"
    assert audio == "–"


def test_table_2_has_joint_training_only_with_all_examples(systems: aggregate.Systems) -> None:
    table = tables.table_2(systems, SHOTS)
    assert row(table, "all", "Joint (bound)") == ["85.0", "85.0", "85.0", "85.0", "–"]
    assert table.count("Joint") == 1


def test_table_1_has_found_links_new_links_and_the_papers_that_were_missed(
    systems: aggregate.Systems,
) -> None:
    table = tables.table_1(systems)
    assert row(table, "LOWER z → UPPER Z") == ["0.850", "2 of 2", "*0.912*"]
    assert row(table, "LOWER q → UPPER Q") == ["0.750", "1 of 2", "–"]
    assert row(table, "MNIST 0 → LOWER o") == ["–", "0 of 2", "*0.936*"]


def test_figure_4_starts_at_the_task_itself() -> None:
    falling = ({"fashion": 0.9}, {"fashion": 0.6, "digits": 0.7})
    record = made_up_record("ewc", 0, 0.1, tasks=("fashion", "digits"), matrix=falling)
    table = tables.figure_4({"ewc": [record]})
    assert row(table, "Fashion", "EWC") == ["90.0", "60.0", "–", "–", "–"]
    assert row(table, "MNIST", "EWC") == ["–", "70.0", "–", "–", "–"]


def test_metrics_are_of_the_same_tasks_for_every_system(systems: aggregate.Systems) -> None:
    table = tables.metrics_table(systems, IMAGE_TASKS)
    assert row(table, "EWC")[5:] == ["1,000", "400", "8"]
    assert row(table, "SEN")[5:] == ["1,000", "400", "8"]  # audio left out
    assert row(table, "SEN")[3] == "14.7 ± 0.9"  # FWT: (0 + 0 + 0.44) / 3
    assert row(table, "Joint (bound)")[:4] == ["85.0", "85.0", "–", "–"]
    assert row(table, "Joint (bound)")[6:] == ["50", "9"]


def test_untold_states_task_and_label_apart(systems: aggregate.Systems) -> None:
    cells = row(tables.untold_table(systems), "mean of tasks", "SEN")
    assert cells == ["90.0 ± 0.0", "95.0 ± 0.0", "99.9 ± 0.0", "80.0 ± 0.0", "81.0 ± 0.0"]


def reached(systems: aggregate.Systems, measure: str, **which: Any) -> Reached:
    found = [
        each
        for each in judge("paper", systems)
        if each.target.measure == measure
        and all(getattr(each.target, name) == value for name, value in which.items())
    ]
    (only,) = found
    return only


def test_targets_that_are_met_and_missed(systems: aggregate.Systems) -> None:
    upper = reached(systems, "accuracy", task="upper", shots=0)
    assert upper.figure == pytest.approx(54) and upper.met
    above = reached(systems, "above single", task="upper", shots=5)
    assert above.figure == pytest.approx(14) and above.met
    digits = reached(systems, "accuracy", task="digits", shots=None)
    assert digits.figure == pytest.approx(80) and digits.met is False
    behind = reached(systems, "behind joint")
    assert behind.figure == pytest.approx(3) and behind.met
    assert behind.by_example == pytest.approx(3)


def test_a_target_without_runs_is_not_measured(systems: aggregate.Systems) -> None:
    ten = reached(systems, "accuracy", task="upper", shots=10)
    assert ten.figure is None and ten.met is None
    alone = {"sen": systems["sen"]}
    assert reached(alone, "behind joint").met is None
    assert reached(alone, "above single", task="upper", shots=5).met is None


def test_the_smallest_loss_of_a_single_seed_is_forgetting(systems: aggregate.Systems) -> None:
    assert reached(systems, "forgetting").met
    rows = [dict(each) for each in systems["sen"][0].matrix]
    rows[-1]["fashion"] -= 1e-6
    lossy = made_up_record("sen", 2, 0.5, matrix=tuple(rows))
    assert reached({"sen": [*systems["sen"], lossy]}, "forgetting").met is False


def test_one_changed_answer_is_too_many(systems: aggregate.Systems) -> None:
    assert reached(systems, "changed answers").met
    extra = sen_extra(changed_answers={"fashion": 1})
    changed = made_up_record("sen", 2, 0.5, extra=extra)
    assert reached({"sen": [*systems["sen"], changed]}, "changed answers").figure == 1


def test_a_profile_is_judged_by_its_own_targets(systems: aggregate.Systems) -> None:
    upper = [t for t in judge("best", systems) if t.target.task == "upper"]
    assert [(t.target.shots, t.bound) for t in upper] == [(0, 72), (5, 85), (10, 88), (None, 95)]
    assert len(judge("paper", systems)) == sum("paper" in target.bounds for target in TARGETS)


def test_summary_has_shares_by_system(systems: aggregate.Systems) -> None:
    figures = aggregate.summary(systems, SHOTS)["sen"]
    assert figures["accuracy"]["0"]["upper"]["mean"] == pytest.approx(0.54)
    assert figures["accuracy"]["0"]["upper"]["seeds"] == 2
    assert figures["curves"]["fashion"]["spoken"]["mean"] == pytest.approx(0.8)
    assert figures["active_share"]["lower"]["mean"] == pytest.approx(0.067)


def test_a_section_leaves_out_what_no_run_tells(systems: aggregate.Systems) -> None:
    whole = tables.profile_section("paper", systems, SHOTS)
    assert "Targets" in whole and "All five tasks" in whole
    alone = tables.profile_section("paper", {"ewc": systems["ewc"]}, SHOTS)
    assert "Table 2" in alone and "Targets" not in alone and "All five tasks" not in alone


def letters(labels: str, brightness: int) -> TaskData:
    """Three images a class: two alike, and one bright one that is not typical."""
    x = np.full((3 * len(labels), 28, 28, 1), brightness, dtype=np.uint8)
    x[::3] = 255
    return TaskData(
        x=x,
        y=np.repeat(np.arange(len(labels)), 3).astype(np.int64),
        labels=tuple(labels),
        signature=image_signature(),
    )


def test_linked_characters_show_the_typical_image_of_both_classes(
    systems: aggregate.Systems,
) -> None:
    lower, upper = letters("qz", 10), letters("QZ", 20)
    figure = plots.linked_characters(systems, {"lower": (lower, lower), "upper": (upper, upper)})
    assert figure is not None
    shown = [axes for axes in figure.axes if axes.images]
    assert [axes.get_title() for axes in shown] == [
        "LOWER z → UPPER Z  0.85",
        "LOWER q → UPPER Q  0.75",
    ]
    picture = np.asarray(shown[0].images[0].get_array())
    assert picture[0, 0] == 10 and picture[0, -1] == 20


def test_pictures_are_written_and_need_no_links(systems: aggregate.Systems, tmp_path: Path) -> None:
    paths = plots.draw_all({"ewc": systems["ewc"]}, SHOTS, {}, tmp_path, "paper")
    assert [path.name for path in paths] == ["paper-figure-4.png", "paper-shots.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in paths)


def test_figure_4_draws_every_system_where_it_has_figures(systems: aggregate.Systems) -> None:
    figure = plots.figure_4(systems)
    fashion, audio = figure.axes[0], figure.axes[-1]
    assert fashion.get_legend_handles_labels()[1] == [
        "Joint (bound)",
        "SEN",
        "Single-task",
        "EWC",
    ]
    assert audio.get_legend_handles_labels()[1] == ["SEN", "Single-task"]
