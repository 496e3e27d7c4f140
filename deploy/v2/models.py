"""The models a network offers: each task, and as `sen` the whole network, which dispatches."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from cluster.errors import TaskUnavailable, UnknownTask
from cluster.messages import Answer, NetworkView
from cluster.registry import PathwayEntry
from deploy.v2.messages import ModelMetadata, TensorMetadata
from deploy.v2.tensors import Tensor
from pathways import DataError, PathwayId

INPUT = "input"
NETWORK = "sen"

_IMAGES, _SOUNDS = ("UINT8", "FP32"), ("FP32",)
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
    def rates_hz(self) -> set[int]:
        """Samples a second of the sounds it takes."""

    @abstractmethod
    def outputs(self, answers: Sequence[Answer]) -> Outputs:
        """The answers as the tensors that `metadata` lists."""

    @abstractmethod
    def answered_by(self, answers: Sequence[Answer]) -> str:
        """The version that gave the answers: a newer one may have come meanwhile."""

    def rate_hz(self, dimensions: int, given: int | None) -> int:
        """Of an input with so many dimensions, 0 for images; raises DataError."""
        if dimensions != 2:
            return 0
        known = self.rates_hz()
        if given is None and len(known) == 1:
            return known.pop()
        if not known:
            raise DataError(
                f"two dimensions are sounds [n, samples], which {self.name} does not know; "
                "a picture is [1, height, width]"
            )
        if given is None or given < 1:
            raise DataError(
                f"give the parameter rate_hz of the sounds, above 0; {self.name} knows "
                f"{', '.join(map(str, sorted(known)))}"
            )
        return given


def find_model(view: NetworkView, name: str, version: str | None) -> Model:
    """The model of that name; raises UnknownTask, also for a version that is not in service."""
    if name == NETWORK:
        found: Model = NetworkModel(view, name, str(view.registry.version), None)
    else:
        found = TaskModel(view, name, str(view.registry.entry(name).id.version), name)
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


def accepted(dimensions: int) -> tuple[str, ...]:
    """Datatypes of an input with so many dimensions; raises DataError."""
    if dimensions in (3, 4):
        return _IMAGES
    if dimensions == 2:
        return _SOUNDS
    raise DataError(
        "images are [n, height, width] or [n, height, width, channels], sounds [n, samples]; "
        f"got {dimensions} dimensions"
    )


class TaskModel(Model):
    """One task, told."""

    OUTPUTS = ("probabilities", "label")

    @property
    def _entry(self) -> PathwayEntry:
        return self.view.registry.entry(self.name)

    def metadata(self) -> ModelMetadata:
        spec = self._entry.spec
        kinds = _IMAGES if spec.signature.modality == "image" else _SOUNDS
        about: dict[str, Any] = {"labels": list(spec.shown), "datatypes": list(kinds)}
        if spec.signature.rate_hz:
            about["rate_hz"] = spec.signature.rate_hz
        return ModelMetadata(
            name=self.name,
            versions=[self.version],
            platform=f"sen_{spec.family}",
            inputs=[_tensor(INPUT, kinds[0], -1, *spec.signature.shape)],
            outputs=[
                _tensor("probabilities", "FP32", -1, len(spec.labels)),
                _tensor("label", "BYTES", -1),
            ],
            parameters=about,
        )

    def rates_hz(self) -> set[int]:
        return {self._entry.spec.signature.rate_hz} - {0}

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


class NetworkModel(Model):
    """The whole network: the dispatcher decides."""

    OUTPUTS = ("label", "probability", "unknown", "pathways", "weights")

    def metadata(self) -> ModelMetadata:
        signatures = self.view.registry.signatures.values()
        modalities = sorted({signature.modality for signature in signatures})
        images = _tensor(INPUT, "UINT8", -1, -1, -1, -1)
        return ModelMetadata(
            name=self.name,
            versions=[self.version],
            platform="sen",
            inputs=[_tensor(INPUT, "FP32", -1, -1) if modalities == ["audio"] else images],
            outputs=[
                _tensor("label", "BYTES", -1),
                _tensor("probability", "FP32", -1),
                _tensor("unknown", "BOOL", -1),
                _tensor("pathways", "BYTES", -1, _ACTIVE),
                _tensor("weights", "FP32", -1, _ACTIVE),
            ],
            parameters={
                "tasks": [entry.id.task for entry in self.view.registry.entries()],
                "modalities": modalities,
                "rates_hz": sorted(self.rates_hz()),
            },
        )

    def rates_hz(self) -> set[int]:
        return {each.rate_hz for each in self.view.registry.signatures.values()} - {0}

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
        }

    def answered_by(self, answers: Sequence[Answer]) -> str:
        return str(answers[0].network_version)


def _tensor(name: str, datatype: str, *shape: int) -> TensorMetadata:
    return TensorMetadata(name=name, datatype=datatype, shape=list(shape))


def _strings(texts: Sequence[str]) -> Tensor:
    return Tensor("BYTES", (len(texts),), texts)
