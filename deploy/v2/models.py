"""The models a network offers: each task, and as `sen` the whole network, which dispatches."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from cluster.errors import TaskUnavailable, UnknownTask
from cluster.messages import Answer, NetworkView, Value
from cluster.registry import PathwayEntry
from deploy.v2.messages import ModelMetadata, TensorMetadata
from deploy.v2.tensors import Tensor
from pathways import Modality, PathwayId, Signature

INPUT = "input"
NETWORK = "sen"

_DATATYPES: Mapping[Modality, tuple[str, ...]] = {
    "image": ("UINT8", "FP32"),
    "audio": ("FP32",),
    "table": ("FP32",),
    "text": ("INT32", "INT64"),
}
_ACTIVE = 2  # pathways that can answer an input, at most

Outputs = Mapping[str, Tensor]


@dataclass(frozen=True)
class Model(ABC):
    """What can be asked under one name."""

    OUTPUTS: ClassVar[tuple[str, ...]]

    view: NetworkView
    name: str
    version: str
    """The one in service."""
    task: str | None
    """The task that the dispatcher is told; None leaves the decision to it."""

    @abstractmethod
    def metadata(self) -> ModelMetadata:
        """What it takes and gives."""

    @abstractmethod
    def signatures(self) -> Iterable[Signature]:
        """What it takes, or can convert to."""

    def modalities(self) -> set[Modality]:
        """Kinds of input it takes."""
        return {signature.modality for signature in self.signatures()}

    def rates_hz(self) -> set[int]:
        """Samples a second of the sounds it takes."""
        return {signature.rate_hz for signature in self.signatures()} - {0}

    @abstractmethod
    def outputs(self, answers: Sequence[Answer]) -> Outputs:
        """The answers as the tensors that `metadata` lists."""

    @abstractmethod
    def answered_by(self, answers: Sequence[Answer]) -> str:
        """The version that gave the answers: a newer one may have come meanwhile."""


def find_model(view: NetworkView, name: str, version: str | None) -> Model:
    """The model of that name; raises UnknownTask, also for a version that is not in service."""
    if name == NETWORK:
        found: Model = NetworkModel(view, name, str(view.registry.version), None)
    else:
        entry = view.registry.entry(name)
        of = NumberModel if entry.spec.output == "number" else TaskModel
        found = of(view, name, str(entry.id.version), name)
    if version is not None and version != found.version:
        exists = version.isdecimal() and PathwayId(name, int(version)) in view.registry.pathways
        raise UnknownTask(
            f"version {version} of {name} {'is not in service' if exists else 'does not exist'}; "
            f"version {found.version} is in service"
        )
    return found


def check_ready(model: Model) -> None:
    """Raises TaskUnavailable for a task that cannot be served now."""
    if model.task is not None and (reason := model.view.unavailable.get(model.task)):
        raise TaskUnavailable(f"task {model.task} cannot be served: {reason}")


class TaskModel(Model):
    """One task, told, that has classes."""

    OUTPUTS: ClassVar[tuple[str, ...]] = ("probabilities", "label")

    @property
    def _entry(self) -> PathwayEntry:
        return self.view.registry.entry(self.name)

    def metadata(self) -> ModelMetadata:
        spec = self._entry.spec
        kinds = _DATATYPES[spec.signature.modality]
        about: dict[str, Any] = {"labels": list(spec.shown), "datatypes": list(kinds)}
        if spec.signature.rate_hz:
            about["rate_hz"] = spec.signature.rate_hz
        if spec.signature.vocabulary:
            about["vocabulary"] = spec.signature.vocabulary
        return ModelMetadata(
            name=self.name,
            versions=[self.version],
            platform=f"sen_{spec.family}",
            inputs=[_tensor(INPUT, kinds[0], -1, *spec.signature.shape)],
            outputs=self._output_tensors(),
            parameters=about,
        )

    def _output_tensors(self) -> list[TensorMetadata]:
        return [
            _tensor("probabilities", "FP32", -1, len(self._entry.spec.labels)),
            _tensor("label", "BYTES", -1),
        ]

    def signatures(self) -> Iterable[Signature]:
        return [self._entry.spec.signature]

    def outputs(self, answers: Sequence[Answer]) -> Outputs:
        labels = self._entry.spec.shown
        rows = [dict(answer.probabilities) for answer in answers]
        p = np.array([[row[label] for label in labels] for row in rows], np.float32)
        return {
            "probabilities": Tensor.of("FP32", p),
            "label": _strings([answer.label or "" for answer in answers]),
        }

    def answered_by(self, answers: Sequence[Answer]) -> str:
        return str(answers[0].activated[0].pathway.version)


class NumberModel(TaskModel):
    """One task, told, whose target is a number."""

    OUTPUTS = ("value", "deviation")

    def _output_tensors(self) -> list[TensorMetadata]:
        return [_tensor(name, "FP32", -1) for name in self.OUTPUTS]

    def outputs(self, answers: Sequence[Answer]) -> Outputs:
        told = [answer.values[0] for answer in answers]
        return {
            "value": Tensor.of("FP32", np.array([v.value for v in told], np.float32)),
            "deviation": Tensor.of("FP32", np.array([v.deviation for v in told], np.float32)),
        }


class NetworkModel(Model):
    """The whole network: the dispatcher decides."""

    OUTPUTS = (
        *("label", "probability", "unknown", "pathways", "weights"),
        *("value_name", "value", "deviation"),
    )

    def metadata(self) -> ModelMetadata:
        modalities = sorted(self.modalities())
        images = _tensor(INPUT, "UINT8", -1, -1, -1, -1)
        return ModelMetadata(
            name=self.name,
            versions=[self.version],
            platform="sen",
            inputs=[images if "image" in modalities or not modalities else self._flat(modalities)],
            outputs=[
                _tensor("label", "BYTES", -1),
                _tensor("probability", "FP32", -1),
                _tensor("unknown", "BOOL", -1),
                _tensor("pathways", "BYTES", -1, _ACTIVE),
                _tensor("weights", "FP32", -1, _ACTIVE),
                _tensor("value_name", "BYTES", -1),
                _tensor("value", "FP32", -1),
                _tensor("deviation", "FP32", -1),
            ],
            parameters={
                "tasks": [entry.id.task for entry in self.view.registry.entries()],
                "modalities": modalities,
                "rates_hz": sorted(self.rates_hz()),
            },
        )

    def _flat(self, modalities: Sequence[Modality]) -> TensorMetadata:
        return _tensor(INPUT, _DATATYPES[modalities[0]][0], -1, -1)

    def signatures(self) -> Iterable[Signature]:
        return self.view.registry.signatures.values()

    def outputs(self, answers: Sequence[Answer]) -> Outputs:
        best = [a.probabilities[0] if a.probabilities else ("", 0.0) for a in answers]
        pathways: list[str] = []
        weights = np.zeros((len(answers), _ACTIVE), np.float32)
        for row, answer in enumerate(answers):
            names = [str(part.pathway) for part in answer.activated]
            pathways += [*names, *[""] * (_ACTIVE - len(names))]
            weights[row, : len(names)] = [part.weight for part in answer.activated]
        return {
            "label": _strings([label for label, _ in best]),
            "probability": Tensor.of("FP32", np.array([p for _, p in best], np.float32)),
            "unknown": Tensor.of("BOOL", np.array([answer.unknown for answer in answers])),
            "pathways": Tensor("BYTES", weights.shape, pathways),
            "weights": Tensor.of("FP32", weights),
            **_numbers(answers),
        }

    def answered_by(self, answers: Sequence[Answer]) -> str:
        return str(answers[0].network_version)


def _numbers(answers: Sequence[Answer]) -> Outputs:
    """The most probable number of each answer; an empty name and 0 where there is none."""
    nothing = Value(name="", value=0, deviation=0, weight=0)
    told = [answer.values[0] if answer.values else nothing for answer in answers]
    return {
        "value_name": _strings([value.name for value in told]),
        "value": Tensor.of("FP32", np.array([v.value for v in told], np.float32)),
        "deviation": Tensor.of("FP32", np.array([v.deviation for v in told], np.float32)),
    }


def _tensor(name: str, datatype: str, *shape: int) -> TensorMetadata:
    return TensorMetadata(name=name, datatype=datatype, shape=list(shape))


def _strings(texts: Sequence[str]) -> Tensor:
    return Tensor("BYTES", (len(texts),), texts)
