"""What the commands of `sen` do that copy stores."""

from __future__ import annotations

from rich.console import Console

from cluster.copying import Copied, copy_store
from cluster.errors import NotRunning
from cluster.lifecycle import load_running
from cluster.store import Store
from deploy.report import progress_bars

out = Console()


def backup(destination: str, store: str | None) -> None:
    """Copy a store, by default that of the network that runs here."""
    copied = _copy("back up", store or _store_here(), destination)
    out.print(
        f"{_in_words(copied)}; `sen restore {destination} NEW` brings it back", soft_wrap=True
    )


def restore(source: str, destination: str) -> None:
    """Make a store from a backup."""
    copied = _copy("restore", source, destination)
    out.print(f"{_in_words(copied)}; `sen up --store {destination}` serves it", soft_wrap=True)


def _store_here() -> str:
    running = load_running()
    if running is None:
        raise NotRunning("no network runs on this machine; name what to copy with --store")
    return running.store


def _copy(title: str, source: str, destination: str) -> Copied:
    with progress_bars(out) as bars:
        bar = bars.add_task(title, total=None, remark="")

        def show(done: int, total: int) -> None:
            bars.update(
                bar, completed=done, total=total or None, remark=f"{done:,}/{total:,} files"
            )

        return copy_store(Store.open(source), destination, show)


def _in_words(copied: Copied) -> str:
    kept = f", {copied.kept:,} of them there before" if copied.kept else ""
    waiting = f", {copied.waiting:,} waiting" if copied.waiting else ""
    return (
        f"network version {copied.network_version}: {copied.tasks:,} tasks{waiting}, "
        f"{copied.files:,} files{kept}, every hash right"
    )
