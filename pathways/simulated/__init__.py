"""Simulated tasks: thousands of small related ones from a seed, with the truth about them."""

from pathways.simulated.kinds import KINDS, Kind
from pathways.simulated.lineage import Origin
from pathways.simulated.tasks import SimulatedTask, SimulatedTasks

__all__ = ["KINDS", "Kind", "Origin", "SimulatedTask", "SimulatedTasks"]
