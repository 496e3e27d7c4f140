"""Pathways: task models that are learned once, frozen, and lend what they know to later ones.

No Ray here: everything runs in one process, and `cluster/` carries it over many.
"""

from pathways.concepts import full_names
from pathways.data.paired import PairedData
from pathways.data.task import TaskData
from pathways.errors import (
    CorruptFileError,
    DataError,
    FamilyError,
    PathwaysError,
    SignatureError,
    TooLargeError,
    WeightsError,
)
from pathways.frozen import FrozenPathway, Inputs, StoredPathway, load_source
from pathways.ids import PathwayId, check_task_name
from pathways.learning import LearnConfig, divide, learn
from pathways.packed import run_together
from pathways.pairing import PairConfig
from pathways.signature import Signature, audio_signature, image_signature
from pathways.spec import PathwaySpec, Revision
from pathways.training import Progress, TrainConfig
from pathways.transfer import Link, Source

__all__ = [
    "CorruptFileError",
    "DataError",
    "FamilyError",
    "FrozenPathway",
    "Inputs",
    "LearnConfig",
    "Link",
    "PairConfig",
    "PairedData",
    "PathwayId",
    "PathwaySpec",
    "PathwaysError",
    "Progress",
    "Revision",
    "Signature",
    "SignatureError",
    "Source",
    "StoredPathway",
    "TaskData",
    "TooLargeError",
    "TrainConfig",
    "WeightsError",
    "audio_signature",
    "check_task_name",
    "divide",
    "full_names",
    "image_signature",
    "learn",
    "load_source",
    "run_together",
]
