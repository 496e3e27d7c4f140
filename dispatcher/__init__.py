"""The dispatcher: which one or two pathways answer an input, and how their answers merge."""

from dispatcher.dispatcher import Decision, Dispatcher, rows_by_task
from dispatcher.errors import DispatcherError, FeatureError, NoTaskFits, RouterError
from dispatcher.evidence import EvidenceConfig, Said, choose_pair, combine
from dispatcher.features import Features, make_features
from dispatcher.gate import InputType, gate
from dispatcher.merge import Blended, blend, merge
from dispatcher.part import Part
from dispatcher.router import Router, RouterConfig
from dispatcher.select import SelectConfig, Selection, select
from dispatcher.snapshot import Routes, Snapshot
from dispatcher.statistics import StatisticsBuilder, TaskStatistics

__all__ = [
    "Blended",
    "Decision",
    "Dispatcher",
    "DispatcherError",
    "EvidenceConfig",
    "FeatureError",
    "Features",
    "InputType",
    "NoTaskFits",
    "Part",
    "Router",
    "RouterConfig",
    "RouterError",
    "Routes",
    "Said",
    "SelectConfig",
    "Selection",
    "Snapshot",
    "StatisticsBuilder",
    "TaskStatistics",
    "blend",
    "choose_pair",
    "combine",
    "gate",
    "make_features",
    "merge",
    "rows_by_task",
    "select",
]
