"""Revisions: new versions of learned pathways, each kept only for what was measured of it."""

from pathways.revising.improving import ImproveConfig, improve
from pathways.revising.known import data_of
from pathways.revising.pruning import PruneConfig, prune
from pathways.revising.rerooting import reroot
from pathways.revising.revised import Revised
from pathways.revising.sharing import ShareConfig, learn_sharing

__all__ = [
    "ImproveConfig",
    "PruneConfig",
    "Revised",
    "ShareConfig",
    "data_of",
    "improve",
    "learn_sharing",
    "prune",
    "reroot",
]
