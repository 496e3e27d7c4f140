"""What the commands of `sen` do that change known tasks."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

from rich.console import Console

from cluster.asking import improving, pruning, sharing
from cluster.client import Client, connect
from cluster.messages import ExpansionStatus, NewTask
from cluster.proposals import Proposal
from cluster.registry import Registry
from deploy.report import (
    facts_lines,
    progress_bars,
    proposals_table,
    read_data,
    submit_and_follow,
    versions_table,
)
from deploy.v1.messages import versions_reply
from pathways import LearnConfig, TaskData
from pathways.revising import ImproveConfig, PruneConfig, ShareConfig

out = Console()

_WORTH_TRYING = 0.002
"""Promise, as a share of inputs, below which hardly any held-out data would prove a gain."""


def improve(
    task: str,
    data: Path,
    source: str | None,
    held_out: Path | None,
    how: ImproveConfig,
    address: str | None,
) -> None:
    """Make a better version of a task, and say what came of it."""

    def order(registry: Registry, given: TaskData, kept: TaskData | None) -> NewTask:
        return improving(registry, task, given, source, kept, how)

    _revise(f"improve {task}", task, data, held_out, order, address)


def propose(task: str | None, most: int, as_json: bool, address: str | None) -> None:
    """Show the pairs of tasks, or of one task, that promise most."""
    found = connect(address).proposals(most if task is None else 1_000_000)
    found = [pair for pair in found if task in (None, pair.task)][:most]
    if as_json:
        print(json.dumps([vars(pair) for pair in found], indent=1))
    elif found:
        out.print(proposals_table(found))
        out.print(_advice(found[0]))
    else:
        out.print("no later task looks like an earlier one that does not read it already")


def _advice(best: Proposal) -> str:
    if best.promise < _WORTH_TRYING:
        return f"none promises much: {best.task} would gain {100 * best.promise:.2g} points at best"
    return f"try the first: sen improve {best.task} --from {best.source} --data …"


def prune(
    task: str, data: Path, held_out: Path | None, how: PruneConfig, address: str | None
) -> None:
    """Make a smaller version of a task, and say what came of it."""

    def order(registry: Registry, given: TaskData, kept: TaskData | None) -> NewTask:
        return pruning(registry, task, given, kept, how)

    _revise(f"prune {task}", task, data, held_out, order, address)


def learn_sharing(
    task: str,
    data: Path,
    how: LearnConfig,
    partner: str,
    partner_data: Path,
    budget: float,
    address: str | None,
) -> None:
    """Learn a task that trains units of a known one too, and say what came of it."""
    client = connect(address)
    registry = client.network().registry
    signature = registry.entry(partner).spec.signature
    with progress_bars(out) as bars:
        given = read_data(bars, data, signature)
        theirs = read_data(bars, partner_data, signature)
        share = ShareConfig(budget=budget)
        new = sharing(registry, task, given, partner, theirs, how, share)
        status = submit_and_follow(bars, partial(client.submit, new), f"learn {task}")
    _tell(client, partner, status)


def versions(task: str, as_json: bool, address: str | None) -> None:
    """Show every version of a task."""
    reply = versions_reply(connect(address).network().registry, task)
    if as_json:
        print(reply.model_dump_json(indent=1))
    else:
        out.print(versions_table(reply))


def rollback(task: str, version: int | None, address: str | None) -> None:
    """Put an earlier version of a task back into service."""
    done = connect(address).rollback(task, version)
    out.print(f"{done.pathway} is in service (network version {done.network_version})")


def remove(task: str, reroot: bool, address: str | None) -> None:
    """Remove a task for good."""
    done = connect(address).remove(task, reroot=reroot)
    out.print(f"task {task} is removed (network version {done.network_version})")
    if done.rerooted:
        out.print(f"with their own copy of what they need: {', '.join(map(str, done.rerooted))}")


_Order = Callable[[Registry, TaskData, TaskData | None], NewTask]
"""The network's registry, examples and those held out, if any → what the workers are asked for."""


def _revise(
    title: str, task: str, data: Path, held_out: Path | None, order: _Order, address: str | None
) -> None:
    """Have a version of a task made from examples of it, and say what came of it."""
    client = connect(address)
    registry = client.network().registry
    signature = registry.entry(task).spec.signature
    with progress_bars(out) as bars:
        given = read_data(bars, data, signature)
        kept = read_data(bars, held_out, signature) if held_out is not None else None
        new = order(registry, given, kept)
        status = submit_and_follow(bars, partial(client.submit, new), title)
    _tell(client, task, status)


def _tell(client: Client, task: str, status: ExpansionStatus) -> None:
    out.print(status.outcome or "", highlight=False, soft_wrap=True)
    if status.network_version is None:
        out.print(f"{task} stays as it is")
        return
    entry = client.network().registry.entry(task)
    for line in facts_lines(entry):
        out.print(line, highlight=False, soft_wrap=True)
    out.print(f"{entry.id} is in service; `sen rollback {task}` brings the version before it back")
