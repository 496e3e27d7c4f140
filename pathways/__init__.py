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
    ModuleMissingError,
    PathwaysError,
    SignatureError,
    TooLargeError,
    WeightsError,
)
from pathways.frozen import FrozenPathway, Inputs, StoredPathway, load_source
from pathways.ids import PathwayId, check_task_name
from pathways.learning import LearnConfig, check_learnable, divide, learn
from pathways.packed import run_together
from pathways.pairing import PairConfig
from pathways.revising import (
    ImproveConfig,
    PruneConfig,
    Revised,
    ShareConfig,
    improve,
    learn_sharing,
    prune,
    reroot,
)
from pathways.signature import (
    Modality,
    Signature,
    audio_signature,
    image_signature,
    table_signature,
    text_signature,
)
from pathways.spec import PathwaySpec, Revision
from pathways.training import Progress, TrainConfig
from pathways.transfer import Link, Source

__all__ = [
    "CorruptFileError",
    "DataError",
    "FamilyError",
    "FrozenPathway",
    "ImproveConfig",
    "Inputs",
    "LearnConfig",
    "Link",
    "Modality",
    "ModuleMissingError",
    "PairConfig",
    "PairedData",
    "PathwayId",
    "PathwaySpec",
    "PathwaysError",
    "Progress",
    "PruneConfig",
    "Revised",
    "Revision",
    "ShareConfig",
    "Signature",
    "SignatureError",
    "Source",
    "StoredPathway",
    "TaskData",
    "TooLargeError",
    "TrainConfig",
    "WeightsError",
    "audio_signature",
    "check_learnable",
    "check_task_name",
    "divide",
    "full_names",
    "image_signature",
    "improve",
    "learn",
    "learn_sharing",
    "load_source",
    "prune",
    "reroot",
    "run_together",
    "table_signature",
    "text_signature",
]
