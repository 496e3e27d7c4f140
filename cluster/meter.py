"""What is measured while a network works, as the parts that measure see it. No Ray here: the
parts are handed one of these, and `metrics.py` has those that Prometheus can read."""

from __future__ import annotations

from typing import Protocol

STAGES = ("parse", "route", "wake", "run", "merge")
"""Parts of a request, in order: body to inputs, scoring, waking, running in slots, answering."""


class Meter(Protocol):
    """What a dispatcher records. Every call takes a few microseconds at most."""

    def stage(self, name: str, seconds: float) -> None:
        """One of STAGES took so long, for a request or for a batch of them."""

    def batch(self, rows: int) -> None:
        """So many inputs were scored together."""

    def activated(self, task: str, rows: int) -> None:
        """The pathway of a task ran for so many inputs."""

    def residency(self, hits: int, misses: int) -> None:
        """So many pathways were found resident, so many had to be woken."""

    def unknown(self, rows: int) -> None:
        """So many inputs were unlike everything learned."""

    def share(self, value: float, rows: int = 1) -> None:
        """Each of so many inputs used this share of all weights, 0..1 (a mean will do)."""


class HttpMeter(Meter, Protocol):
    """What an ingress replica records."""

    def request(self, route: str, status: int, seconds: float) -> None:
        """A request ended; `route` is its path's pattern, not the path."""


class ExpansionMeter(Protocol):
    """What the controller records."""

    def waiting(self, tasks: int) -> None:
        """So many tasks wait to be learned now. To be told again and again: it fades."""

    def ended(self, outcome: str) -> None:
        """An expansion ended, `learned` or `failed`."""


class NoMeter:
    """Records nothing; stands in for all of the above."""

    def stage(self, name: str, seconds: float) -> None: ...

    def batch(self, rows: int) -> None: ...

    def activated(self, task: str, rows: int) -> None: ...

    def residency(self, hits: int, misses: int) -> None: ...

    def unknown(self, rows: int) -> None: ...

    def share(self, value: float, rows: int = 1) -> None: ...

    def request(self, route: str, status: int, seconds: float) -> None: ...

    def waiting(self, tasks: int) -> None: ...

    def ended(self, outcome: str) -> None: ...
