"""Graceful forgetting (§3.6): a new task trains units of an earlier one in the place of own ones.

The earlier pathway gets a new version, which the new pathway reads over its links. How far that
version is held to its former answers is searched on one half of the earlier task's held-out
examples and confirmed on the other.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import torch

from pathways.data.task import TaskData
from pathways.device import CPU
from pathways.errors import DataError
from pathways.frozen import FrozenPathway, StoredPathway, seal
from pathways.ids import PathwayId
from pathways.learning import LearnConfig, divide, stored_pathway
from pathways.model import parameter_count
from pathways.revising.examples import Parts, halves, part
from pathways.revising.measuring import right
from pathways.revising.proof import Paired, compare
from pathways.revising.revised import Report, Revised, percent, silent
from pathways.revising.searching import Found, least_that_holds
from pathways.revising.together import Both, Together
from pathways.spec import Fact, PathwaySpec, Revision, Training

_STRENGTHS = (0.01, 0.1, 0.3, 1.0, 3.0, 10.0, 100.0)
"""Of holding the shared pathway to its answers, beside a weight of 1 on the new task's loss."""


@dataclass(frozen=True, kw_only=True)
class ShareConfig:
    """How much of an earlier task may be given up for a new one."""

    budget: float = 0.02
    """Share of the earlier task's held-out examples that may be lost, 0..1."""
    new_units: int | None = None
    """Hidden units of the new pathway's own; None for a quarter of what it has otherwise."""
    held_out_share: float = 0.1
    """Part of the earlier task's data set aside to decide by, if its version in service was
    learned without setting any aside."""

    def __post_init__(self) -> None:
        if not 0 <= self.budget < 1:
            raise DataError(f"budget must be at least 0 and under 1, got {self.budget}")
        if self.new_units is not None and self.new_units < 1:
            raise DataError(f"new_units must be 1 or more, got {self.new_units}")
        if not 0 < self.held_out_share < 1:
            raise DataError(f"held_out_share must lie between 0 and 1, got {self.held_out_share}")


def learn_sharing(
    pathway: PathwayId,
    data: TaskData,
    shared: StoredPathway,
    shared_source: StoredPathway | None,
    shared_data: TaskData | None,
    config: LearnConfig,
    share: ShareConfig,
    version: int,
    report: Report = silent,
    device: torch.device = CPU,
) -> Revised:
    """Learn a new task with few units of its own, training an earlier pathway's with it.

    shared: the version in service of the earlier task; shared_source: the pathway it has links
    from, if any, which stays as it is; shared_data: examples of the earlier task; device: what to
    compute on, if the family can. Gives the new
    pathway and `version` of the earlier one, which belong together; only the latter is a revision.
    Reproducible. Raises DataError if the budget cannot be met or data are missing or too few,
    FamilyError if the new pathway cannot have fewer units, and WeightsError for damaged files.
    """
    started = time.monotonic()
    _check(pathway, data, shared.spec, config)
    if shared_data is None:
        raise DataError(f"sharing changes {shared.spec.id}: give data of {shared.spec.id.task}")
    frozen = FrozenPathway.load(shared, shared_source, device=device)
    parts = part(shared.spec, shared_data, None, share.held_out_share)
    examples = divide(data, config)
    together = Together(frozen, parts.train, examples.train, config, share.new_units)

    def judge(both: Both, held_out: TaskData) -> Paired:
        lent = frozen.source_body
        return compare(right(frozen.model, lent, held_out), right(both.shared, lent, held_out))

    tested = halves(parts.held_out, config.seed)
    found = least_that_holds(_STRENGTHS, together.train, judge, tested, share.budget, report)
    if found.loss > share.budget:
        raise _over_budget(shared.spec, share, found.loss)
    both, seconds = found.made, round(time.monotonic() - started, 3)
    accuracy = _new_accuracy(both, examples.held_out)
    facts = _facts(found, together, share, accuracy)
    changed = seal(
        _changed_spec(shared.spec, version, found.judged, parts, facts, seconds),
        both.shared,
        frozen.source_body,
    )
    transfer = together.transfer_from(both.shared, changed.spec.id)
    training = Training(
        examples=len(examples.train),
        shots=config.shots,
        epochs=both.last.epochs,
        seed=config.seed,
        train_accuracy=both.last.accuracy,
        held_out_accuracy=accuracy,
        held_out_examples=len(examples.held_out or ()),
        seconds=seconds,
        held_out_share=config.held_out_share,
    )
    new = stored_pathway(pathway, data, config, both.new, transfer, training)
    return Revised(pathways=(new, changed), facts=facts, summary=_told(facts, shared.spec))


def _changed_spec(
    spec: PathwaySpec,
    version: int,
    judged: Paired,
    parts: Parts,
    facts: dict[str, Fact],
    seconds: float,
) -> PathwaySpec:
    """Of the shared pathway's new version."""
    training = replace(
        spec.training,
        held_out_accuracy=judged.after,
        held_out_examples=judged.examples,
        held_out_share=parts.share,
        seconds=seconds,
    )
    revision = Revision(kind="shared", of=spec.id, facts=facts)
    id = PathwayId(spec.id.task, version)
    return replace(spec, id=id, training=training, revision=revision)


def _new_accuracy(both: Both, held_out: TaskData | None) -> float | None:
    return float(right(both.new, both.shared.body, held_out).mean()) if held_out else None


def _check(pathway: PathwayId, data: TaskData, shared: PathwaySpec, config: LearnConfig) -> None:
    if pathway.task == shared.id.task:
        raise DataError(f"{pathway.task} cannot share units with itself; name another task")
    if data.signature != shared.signature:
        raise DataError(
            f"{shared.id} reads {shared.signature.key} and {pathway.task} has "
            f"{data.signature.key}; units are shared between inputs of one kind"
        )
    if config.shots == 0:
        raise DataError("sharing trains units, so it needs examples: shots must not be 0")


def _over_budget(spec: PathwaySpec, share: ShareConfig, loss: float) -> DataError:
    return DataError(
        f"the budget of {percent(share.budget)} cannot be met: {spec.id} loses at least "
        f"{percent(loss)} of its held-out examples; allow more, give more data of {spec.id.task}, "
        "or learn the task without sharing"
    )


def _facts(
    found: Found[float, Both], together: Together, share: ShareConfig, accuracy: float | None
) -> dict[str, Fact]:
    judged, new = found.judged, found.made.new
    parameters = parameter_count(new)
    facts: dict[str, Fact] = {
        "new_units": new.body.width,
        "new_parameters": parameters,
        "parameters_saved": together.parameters_unshared - parameters,
        "accuracy_before": judged.before,
        "accuracy_after": judged.after,
        "held_out_examples": judged.examples,
        "loss": judged.loss,
        "budget": share.budget,
        "strength": found.option,
    }
    return facts if accuracy is None else facts | {"new_accuracy": accuracy}


def _told(facts: dict[str, Fact], shared: PathwaySpec) -> str:
    return (
        f"learned with {facts['new_parameters']:,} new weights, {facts['parameters_saved']:,} "
        f"saved; {shared.id.task} {percent(float(facts['accuracy_before']))} → "
        f"{percent(float(facts['accuracy_after']))} of {facts['held_out_examples']:,} held-out "
        "examples right"
    )
