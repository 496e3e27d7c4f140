"""`sen logs`: what the processes of all nodes wrote, in one place."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cluster.errors import ConfigError
from cluster.lifecycle import join
from cluster.log_files import KINDS, OURS, LogQuery, Written
from cluster.node_logs import NodeLogs, logs_of_nodes

_EVERY_S = 1.0
out = Console()


def logs(
    kinds: Sequence[str],
    node: str | None,
    lines: int,
    follow: bool,
    errors: bool,
    as_list: bool,
    address: str | None,
) -> None:
    """Print the ends of logs, once or as they grow; raises SenError."""
    query = LogQuery(kinds=wanted_kinds(kinds), lines=lines, errors=errors)
    join(address)
    found = logs_of_nodes(query, node)
    if as_list:
        out.print(files_table(found))
        return
    if follow:
        with suppress(KeyboardInterrupt):
            _print(ends(found))
            _follow(query, node, found)
    else:
        _print(ends(found))


def wanted_kinds(kinds: Sequence[str]) -> frozenset[str]:
    """Kinds as they are asked for; without any all but Ray's own. Raises ConfigError."""
    for kind in kinds:
        if kind not in KINDS:
            raise ConfigError(f"no process is a {kind!r}; kinds are {', '.join(KINDS)}")
    return frozenset(kinds) or OURS


def _follow(query: LogQuery, node: str | None, found: list[NodeLogs]) -> None:
    read: dict[str, dict[str, int]] = defaultdict(dict)
    while True:
        for each in found:
            read[each.node] |= {written.file: written.end for written in each.written}
        time.sleep(_EVERY_S)
        found = logs_of_nodes(query, node, read)
        _print(grown(found))


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        out.print(line, highlight=False, soft_wrap=True)


def ends(found: Sequence[NodeLogs]) -> Iterator[str]:
    """The ends of files, each under a heading that names who wrote it; rich markup."""
    silent = 0
    for each in found:
        if each.error:
            yield f"[red]node {each.node}: {escape(each.error)}[/red]"
        for written in each.written:
            if not written.lines:
                silent += 1
                continue
            yield f"[bold]{escape(heading(each.node, written))}[/bold]"
            yield from map(escape, written.lines)
    if silent:
        yield f"[dim]{silent} more files have nothing to show[/dim]"


def grown(found: Sequence[NodeLogs]) -> Iterator[str]:
    """Lines that were added, each with who wrote it before it; rich markup."""
    for each in found:
        if each.error:
            yield f"[red]node {each.node}: {escape(each.error)}[/red]"
        for written in each.written:
            for line in written.lines:
                yield f"[cyan]{escape(_name(each.node, written))}[/cyan] {escape(line)}"


def heading(node: str, written: Written) -> str:
    """Who wrote a file, and which it is."""
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(written.changed))
    return f"── {_name(node, written)}, {written.file}, last at {when}"


def _name(node: str, written: Written) -> str:
    process = f" {written.process}" if written.process else ""
    return f"{written.kind}{process} on {node}"


def files_table(found: Sequence[NodeLogs]) -> Table:
    """The files there are, without what is in them."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name in ("node", "kind", "process", "bytes", "file"):
        table.add_column(name, overflow="fold", justify="right" if name == "bytes" else "left")
    for each in found:
        if each.error:
            table.add_row(each.node, "", "", "", f"[red]{escape(each.error)}[/red]")
        for written in sorted(each.written, key=lambda w: (KINDS.index(w.kind), w.file)):
            process = str(written.process or "")
            table.add_row(each.node, written.kind, process, f"{written.end:,}", written.file)
    return table
