"""Default data made on the spot: five labelled sets drawn or voiced from a seed, offline."""

from pathways.data.embedded.sets import NAMES, embedded_task

__all__ = ["NAMES", "embedded_task"]
