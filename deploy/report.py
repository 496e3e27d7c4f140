"""Tables and progress for the terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from cluster.handle import Expansion
from cluster.messages import ExpansionStatus, Stage, Verification
from cluster.proposals import Proposal
from cluster.registry import PathwayEntry
from deploy.keys import Key
from deploy.schemas import NetworkReply, TaskInfo
from deploy.v1.messages import VersionsReply
from pathways import Signature, TaskData
from pathways.data.load import load_task

_NAMED = 10  # pathways on a line, at most

if TYPE_CHECKING:  # the demo alone measures over HTTP
    from deploy.evaluation import Score


def progress_bars(console: Console) -> Progress:
    """Bars with a description, an elapsed time and a remark."""
    return Progress(
        SpinnerColumn(),
        TextColumn("[bold]{task.description:<22}"),
        BarColumn(bar_width=24),
        TimeElapsedColumn(),
        TextColumn("{task.fields[remark]}"),
        console=console,
    )


def learning_remark(status: ExpansionStatus) -> str:
    """An expansion's state in a few words."""
    if status.stage is Stage.LEARNING and status.epochs:
        if status.unit != "epoch":
            return f"fitting, {status.unit} {status.epoch}/{status.epochs}"
        return (
            f"epoch {status.epoch}/{status.epochs}, loss {status.loss:.3f}, "
            f"accuracy {_percent(status.accuracy)} %"
        )
    if status.stage is Stage.LEARNED:
        return f"learned, network version {status.network_version}"
    if status.stage is Stage.FAILED:
        return f"failed: {status.error}"
    if status.stage is Stage.UNCHANGED:
        return "not worth it"
    return "looking for links" if status.stage is Stage.LEARNING else "waiting for its turn"


def submit_and_follow(
    bars: Progress, submit: Callable[[], Expansion], title: str
) -> ExpansionStatus:
    """Give the network an expansion and follow it; raises as `submit` does and ExpansionFailed.

    On Ctrl-C it goes on without this process if the network has it, and that is said.
    """
    standing = "stopped while the network was given it; `sen status` shows whether it goes on"
    try:
        expansion = submit()
        standing = "it goes on; `sen status` shows how far it is"
        return follow_expansion(bars, expansion, title)
    except KeyboardInterrupt:
        bars.console.print(f"{title}: {standing}")
        raise


def follow_expansion(bars: Progress, expansion: Expansion, title: str) -> ExpansionStatus:
    """Follow an expansion to its end in a bar of its own; raises ExpansionFailed."""
    bar = bars.add_task(title, total=1, remark="")

    def show(status: ExpansionStatus) -> None:
        total = status.epochs or 1
        done = total if status.ended else status.epoch
        bars.update(bar, total=total, completed=done, remark=learning_remark(status))

    return expansion.wait(show)


def read_data(
    bars: Progress, path: Path, signature: Signature | None = None, target: str | None = None
) -> TaskData:
    """A task's examples, read under a bar of its own; raises DataError.

    signature: of a known task; target: the column of a number to predict.
    """
    bar = bars.add_task("read", total=None, remark=str(path))

    def show(done: int, total: int) -> None:
        bars.update(bar, completed=done, total=total)

    loaded = load_task(path, signature=signature, progress=show, target=target)
    bars.update(bar, total=1, completed=1, remark=f"{len(loaded.data):,} examples")
    for note in loaded.notes:
        bars.console.print(f"note: {note}", highlight=False)
    return loaded.data


def score_table(scores: Sequence[Score]) -> Table:
    """Accuracy of every task, told and dispatched."""
    table = Table(
        title="Held-out inputs over HTTP",
        caption="told, routed: right label in % with the task given, with the dispatcher deciding. "
        "1st, in 2: the task's pathway is first, is among those activated. "
        "paths: pathways activated. active: weights used.",
    )
    table.add_column("task")
    for name in ("inputs", "told", "routed", "1st", "in 2", "unknown", "paths", "active"):
        table.add_column(name, justify="right")
    for score in scores:
        table.add_row(
            score.task,
            str(score.examples),
            _percent(score.told),
            _percent(score.dispatched),
            _percent(score.right_first),
            _percent(score.right_among_two),
            _percent(score.unknown),
            f"{score.pathways:.2f}",
            _percent(score.active_share),
        )
    return table


def links_table(tasks: Iterable[TaskInfo]) -> Table:
    """The transfer links of every task that has some."""
    table = Table(title="Transfer links (source class → new class, mean probability)")
    table.add_column("task")
    table.add_column("from")
    table.add_column("links")
    for task in tasks:
        links = "  ".join(
            f"{link.source_label}→{link.target_label} {link.similarity:.2f}"
            for link in sorted(task.links, key=lambda link: -link.similarity)
        )
        table.add_row(task.task, task.source or "–", links or "none")
    return table


def tasks_table(tasks: Sequence[TaskInfo]) -> Table:
    """The tasks in service, within 80 columns."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name in ("pathway", "state", "family"):
        table.add_column(name, overflow="fold")
    for name in ("classes", "weights", "active", "held-out"):
        table.add_column(name, justify="right")
    table.add_column("links")
    for task in tasks:
        table.add_row(
            f"{task.task}@{task.version}",
            task.state,
            task.family,
            task.labels[0] if task.output == "number" else str(len(task.labels)),
            f"{task.parameters:,}",
            f"{_percent(task.active_share)} %",
            _held_out(task),
            f"{len(task.links)} from {task.source}" if task.source else "none",
        )
    return table


def learned_line(task: TaskInfo) -> str:
    """A task that was just learned, in a sentence."""
    links = f", {len(task.links)} links from {task.source}" if task.source else ", no links"
    if task.remark:
        links += f": {task.remark}"
    number = task.output == "number"
    answers = f"the number {task.labels[0]}" if number else f"{len(task.labels)} classes"
    return (
        f"{task.task}@{task.version}: {task.examples:,} examples, {answers}, "
        f"{task.parameters:,} weights{_found(task)}{'' if number else links}"
    )


def versions_table(reply: VersionsReply) -> Table:
    """Every version of a task, within 80 columns."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name in ("pathway", "made", "family"):
        table.add_column(name, overflow="fold")
    for name in ("weights", "held-out"):
        table.add_column(name, justify="right")
    table.add_column("links")
    for version in reply.versions:
        made = f"{version.revision} of {version.of}" if version.revision else "learned"
        table.add_row(
            f"{version.pathway}{' *' if version.in_service else ''}",
            made,
            version.family,
            f"{version.parameters:,}",
            f"{_percent(version.held_out_accuracy)} %",
            f"{version.links} from {version.source}" if version.source else "none",
        )
    table.caption = "* in service"
    return table


def proposals_table(proposals: Iterable[Proposal]) -> Table:
    """Pairs of tasks from which backward transfer may make something."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name in ("task", "from"):
        table.add_column(name, overflow="fold")
    for name in ("alike", "held-out", "promise"):
        table.add_column(name, justify="right")
    for pair in proposals:
        table.add_row(
            pair.task,
            pair.source,
            f"{_percent(pair.likeness)} %",
            f"{_percent(pair.accuracy)} %",
            f"{pair.promise:.4f}",
        )
    return table


def facts_lines(entry: PathwayEntry) -> Iterable[str]:
    """What was measured when a version was made."""
    facts = entry.spec.revision.facts if entry.spec.revision else {}
    for name, fact in facts.items():
        shown = f"{fact:,.4g}" if isinstance(fact, float) else str(fact)
        yield f"  {name.replace('_', ' ')}: {shown}"


def _found(task: TaskInfo) -> str:
    """What held-out examples told, as the end of a sentence."""
    if task.held_out_accuracy is not None:
        return f", {_percent(task.held_out_accuracy)} % of held-out examples right"
    if task.held_out_r2 is None:
        return ""
    return (
        f", held-out R² {task.held_out_r2:.3f}, RMSE {task.held_out_rmse:.3g}, "
        f"{_percent(task.held_out_coverage)} % within the 90 % interval"
    )


def _held_out(task: TaskInfo) -> str:
    """How good a task is, in a column: the share that is right, or R² of a number."""
    if task.held_out_r2 is not None:
        return f"R² {task.held_out_r2:.2f}"
    return "–" if task.held_out_accuracy is None else f"{_percent(task.held_out_accuracy)} %"


def network_lines(network: NetworkReply) -> Iterable[str]:
    """The network at a glance."""
    yield f"network version {network.network_version}: {network.tasks} tasks, {network.links} links"
    share = network.mean_active_share
    active = "" if share is None else f", one task uses {_percent(share)} % of them on average"
    yield f"{network.parameters:,} weights{active}"
    yield f"at most {network.max_active_pathways} pathways active for an input"
    for slot in network.slots:
        yield f"slot {slot.slot} on node {slot.node[:8]}: {_some(slot.pathways)}"
    if network.local:
        yield f"in the dispatchers: {_some(network.local)}"
    if network.dormant:
        yield f"dormant: {_some(network.dormant)}"
    for task, reason in network.unavailable.items():
        yield f"unavailable: {task}: {reason}"


def _some(names: Sequence[str]) -> str:
    """Names, but not thousands of them."""
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f", … and {more:,} more" if more > 0 else "")


def keys_table(keys: Iterable[Key]) -> Table:
    """API keys, without what makes them keys."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name in ("name", "scopes", "begins with"):
        table.add_column(name)
    for key in keys:
        table.add_row(key.name, ", ".join(key.scopes), f"sen_{key.id}_")
    return table


def verification_table(results: Sequence[Verification]) -> Table:
    """What `verify` found."""
    table = Table()
    for name in ("task", "pathway", "weight file", "answers", "remark"):
        table.add_column(name)
    for result in results:
        table.add_row(
            result.task,
            str(result.pathway),
            "intact" if result.stored_intact else "DAMAGED",
            _answers(result),
            result.error or "",
        )
    return table


def _answers(result: Verification) -> str:
    if result.identical and result.difference:
        return f"bit-identical, within {result.difference:.1g} on a GPU"
    if result.identical:
        return "bit-identical"
    if result.difference is None:
        return "not run"
    return f"DIFFER by {result.difference:.2g}"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f}"
