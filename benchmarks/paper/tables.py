"""The figures as Markdown, the paper's own in italics beside them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from benchmarks.paper import aggregate, paper_figures
from benchmarks.paper.aggregate import METRICS, FoundLink, Spread, Systems
from benchmarks.paper.chain import SYSTEM_TITLES
from benchmarks.paper.paper_figures import Target
from benchmarks.paper.targets import Reached, judge
from benchmarks.paper.tasks import IMAGE_TASKS, TASKS, TITLES

NONE = "–"

_UNTOLD_TITLES = {
    "told": "label right, task told (within-task)",
    "first": "right task first (task identification)",
    "among_two": "right task among two",
    "right": "label right, no task index",
    "right_ignoring_case": "the same, case ignored",
}


def percent(spread: Spread | None) -> str:
    """Mean ± standard deviation of a share, in %; a single seed has no ±."""
    if spread is None:
        return NONE
    around = "" if spread.std is None else f" ± {100 * spread.std:.1f}"
    return f"{100 * spread.mean:.1f}{around}"


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; the first column is text, the others are right-aligned figures."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def table_2(systems: Systems, shots: Sequence[int]) -> str:
    """Test accuracy right after learning, by budget, system and task (Table 2)."""
    rows = []
    for budget in [*map(str, shots), "all"]:
        for name, runs in systems.items():
            if name == "joint" and budget != "all":
                continue
            paper = paper_figures.TABLE_2.get(budget, {}).get(name, {})
            cells = [
                _beside(aggregate.accuracy(runs, _shots(budget), task), paper.get(task))
                for task in TASKS
            ]
            rows.append([_budget_title(budget), SYSTEM_TITLES[name], *cells])
    return markdown(["training", "system", *(TITLES[task] for task in TASKS)], rows)


def _shots(budget: str) -> int | None:
    return None if budget == "all" else int(budget)


def _budget_title(budget: str) -> str:
    return budget if budget == "all" else f"{budget}-sample"


def _beside(spread: Spread | None, paper: tuple[float, float] | None) -> str:
    if paper is None:
        return percent(spread)
    return f"{percent(spread)} *({paper[0]} ± {paper[1]})*"


def table_1(systems: Systems) -> str:
    """Links found, in how many of the seeds, and the paper's (Table 1)."""
    runs = systems.get("sen", ())
    found = aggregate.links(runs)
    known = {_key(link) for link in found}
    rows = [
        [
            _link_title(*_key(link)),
            f"{link.similarity.mean:.3f}",
            f"{link.similarity.seeds} of {len(runs)}",
            _paper_link(link),
        ]
        for link in found
    ]
    rows += [
        [_link_title(*key), NONE, f"0 of {len(runs)}", f"*{similarity:.3f}*"]
        for key, similarity in paper_figures.LINKS.items()
        if key not in known
    ]
    return markdown(["link", "mean probability", "seeds", "paper"], rows)


def _key(link: FoundLink) -> tuple[str, str, str, str]:
    return link.source_task, link.source_label, link.target_task, link.target_label


def _link_title(source: str, source_label: str, target: str, target_label: str) -> str:
    return f"{TITLES[source]} {source_label} → {TITLES[target]} {target_label}"


def _paper_link(link: FoundLink) -> str:
    similarity = paper_figures.LINKS.get(_key(link))
    return NONE if similarity is None else f"*{similarity:.3f}*"


def figure_4(systems: Systems) -> str:
    """Accuracy of every task after every further task (Figure 4)."""
    rows = []
    for task in TASKS:
        for name, runs in systems.items():
            if curve := aggregate.curve(runs, task):
                cells = [percent(curve.get(after)) for after in TASKS]
                rows.append([TITLES[task], SYSTEM_TITLES[name], *cells])
    return markdown(["task", "system", *(f"after {TITLES[task]}" for task in TASKS)], rows)


def active_shares(systems: Systems) -> str:
    """Share of the network's weights touched for a task (§4.6), in %."""
    shares = aggregate.active_shares(systems.get("sen", ()))
    rows = [
        [TITLES[task], percent(spread), f"*{paper_figures.ACTIVE_SHARES[task]}*"]
        for task, spread in shares.items()
    ]
    return markdown(["task", "active", "paper"], rows)


def metrics_table(systems: Systems, tasks: tuple[str, ...]) -> str:
    """ACC, BWT, FWT and forgetting over `tasks`, and what each system costs."""
    rows = [
        [
            SYSTEM_TITLES[name],
            *(percent(aggregate.metric(runs, each, tasks)) for each in METRICS),
            _number(Spread.of(run.memory_bytes for run in runs)),
            _number(aggregate.parameters(runs, tasks)),
            _number(aggregate.seconds(runs, tasks)),
        ]
        for name, runs in systems.items()
        if any(task in run.tasks for run in runs for task in tasks)
    ]
    return markdown(["system", *METRICS, "bytes of examples", "weights", "seconds"], rows)


def _number(spread: Spread | None) -> str:
    return NONE if spread is None else f"{spread.mean:,.0f}"


def untold_table(systems: Systems) -> str:
    """Asked without a task index: SEN's dispatcher against joint training, in %."""
    scopes = {**{task: TITLES[task] for task in IMAGE_TASKS}, "mean": "mean of tasks"}
    scopes["overall"] = "all examples"
    rows = [
        [
            title,
            SYSTEM_TITLES[name],
            *(percent(aggregate.untold(systems[name], each, scope)) for each in _UNTOLD_TITLES),
        ]
        for scope, title in scopes.items()
        for name in ("sen", "joint")
        if name in systems
    ]
    return markdown(["task", "system", *_UNTOLD_TITLES.values()], rows)


def targets_table(profile: str, systems: Systems) -> str:
    """What was to be reached, what was, and whether it is enough."""
    rows = [
        [
            _target_title(reached.target),
            ("≤ " if reached.target.at_most else "≥ ") + f"{reached.bound:g}",
            _figure(reached.figure),
            _figure(reached.by_example),
            _verdict(reached),
        ]
        for reached in judge(profile, systems)
    ]
    return markdown(["target", "asked", "reached", "by example", "met"], rows)


def _target_title(target: Target) -> str:
    match target.measure:
        case "accuracy" | "above single":
            budget = _budget_title("all" if target.shots is None else str(target.shots))
            versus = ", points above Single-task" if target.measure == "above single" else ", %"
            return f"{TITLES[target.task or '']} {budget}{versus}"
        case "forgetting":
            return "forgetting, points (largest of any task and seed)"
        case "changed answers":
            return "test inputs whose answer changed in any bit"
        case "right among two":
            return "right pathway among two, %, mean of image tasks"
        case "behind joint":
            return "label right without task index, points behind joint, mean of image tasks"


def _figure(value: float | None) -> str:
    return NONE if value is None else f"{value:.2f}"


def _verdict(reached: Reached) -> str:
    return {None: "not measured", True: "yes", False: "**no**"}[reached.met]


def profile_section(profile: str, systems: Systems, shots: Sequence[int]) -> str:
    """All tables of one profile that there are runs for."""
    learned_all = {name: runs for name, runs in systems.items() if runs[0].tasks == TASKS}
    tables = {
        "Table 2: test accuracy in %": table_2(systems, shots),
        "Figure 4: accuracy in % after each task": figure_4(systems),
        "The four image tasks, in %": metrics_table(systems, IMAGE_TASKS),
    }
    if learned_all:
        tables["All five tasks, in %"] = metrics_table(learned_all, TASKS)
    if "sen" in systems:
        tables = {
            "Targets": targets_table(profile, systems),
            **tables,
            "Table 1: transfer links": table_1(systems),
            "Active share of the weights in % (§4.6)": active_shares(systems),
            "No task index, in %": untold_table(systems),
        }
    return "\n\n".join(f"### {title}\n\n{table}" for title, table in tables.items())
