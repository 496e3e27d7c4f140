"""A frozen pathway, ready to predict, to lend its weights and to prove that it is unchanged."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pathways.device import CPU, device_of, on_device
from pathways.errors import SignatureError, WeightsError
from pathways.families import Body, plain_options
from pathways.filling import below, empty_body, empty_model, fill
from pathways.model import PathwayModel, as_tensor, freeze, parameter_count
from pathways.signature import Signature
from pathways.spec import PathwaySpec
from pathways.transfer import Source
from pathways.weights import pack, sha256, unpack

Inputs = NDArray[np.uint8] | NDArray[np.float32] | NDArray[np.int32]
"""Images, sounds, rows of a table or token ids [n, *signature.shape]."""

_BODY, _ADOPTED = "body.", "adopted."
_PROBE_INPUT, _PROBE_OUTPUT = "probe.input", "probe.output"
_PROBES = 4
_BATCH = 256  # rows a pathway runs at a time; bounds memory
_ROUNDING = 1e-4  # of what a GPU may answer otherwise; float32 itself is right to 3e-6 here


@dataclass(frozen=True, kw_only=True)
class StoredPathway:
    """A pathway as it is stored and sent: the spec and the bytes of its weight file."""

    spec: PathwaySpec
    weights: bytes

    def tensors(self, *, checked: bool = False) -> dict[str, Tensor]:
        """Weights and probes by name; raises WeightsError if the bytes are damaged.

        checked: the caller has compared their hash with the spec's before.
        """
        expected = None if checked else self.spec.weights_sha256
        return unpack(self.weights, expected, str(self.spec.id))


@dataclass(frozen=True, kw_only=True)
class ProbeResult:
    """What running a pathway's probe inputs again gave."""

    identical: bool
    """Bit for bit the stored answers."""
    difference: float
    """Largest absolute difference of a probability, or of a number."""
    rounded: bool = False
    """Not bit for bit, but no more than rounding explains where a GPU computed them."""

    @property
    def unchanged(self) -> bool:
        """As alike as can be where it ran."""
        return self.identical or self.rounded


class FrozenPathway:
    """The model of one pathway with the body its links read beside it, if it has links."""

    def __init__(
        self,
        spec: PathwaySpec,
        model: PathwayModel,
        source_body: Body | None,
        probes: tuple[Tensor, Tensor],
    ) -> None:
        self.spec = spec
        self.model = model
        self.source_body = source_body
        """The source's, or the pathway's own copy of a former source's."""
        self._probes = probes
        self.device = device_of(model)
        """Where it computes. Probes, and what comes in and goes out, are on the CPU."""
        freeze(model)

    @classmethod
    def load(
        cls,
        stored: StoredPathway,
        source: StoredPathway | Body | None = None,
        *,
        checked: bool = False,
        device: torch.device = CPU,
    ) -> FrozenPathway:
        """Build from stored bytes; `source` must be given if the spec names one, as stored or as
        its body where that is loaded already.

        checked: the caller has compared the bytes' hashes with the specs' before. device: where it
        is to compute, if its family can; a body that is given must be there. Raises WeightsError
        if bytes are damaged or do not fit the spec.
        """
        spec = stored.spec
        given = source.spec.id if isinstance(source, StoredPathway) else source and spec.source
        if spec.source != given:
            raise WeightsError(f"{spec.id} needs source {spec.source}, got {given}")
        tensors = stored.tensors(checked=checked)
        probes = _take_probes(tensors, spec)
        adopted = _take_adopted(tensors, spec)
        model = empty_model(spec)
        fill(model, tensors, spec)
        lent = load_body(source, checked=checked) if isinstance(source, StoredPathway) else source
        body = adopted or lent
        if device != CPU and model.body.accelerates:
            model, body = model.to(device), body and on_device(body, device)
        return cls(spec, model, body, probes)

    @cached_property
    def weights(self) -> dict[str, Tensor]:
        """The model's weights and buffers by name."""
        return dict(self.model.state_dict())

    def share_body(self, body: Body) -> None:
        """Read a body that is loaded already, of the same weights, in the place of its own."""
        self.model.body = body

    def tensors(self) -> Iterator[Tensor]:
        """Everything in memory: weights, probes, and the weights of the body the links read."""
        yield from self.weights.values()
        yield from self._probes
        if self.source_body is not None:
            yield from self.source_body.state_dict().values()

    def probabilities(self, x: Inputs) -> NDArray[np.float32]:
        """Class probabilities float32 [n, classes] of inputs [n, *signature.shape]; of a task whose
        target is a number its mean and standard deviation [n, 2]."""
        self.check(x)
        if 0 < len(x) <= _BATCH:
            return self._run(as_tensor(x)).numpy()
        parts = [self._run(part) for part in as_tensor(x).split(_BATCH)]
        return np.concatenate([part.numpy() for part in parts]) if parts else self._nothing()

    def check(self, x: Inputs) -> None:
        """Raises SignatureError if these are not inputs of this pathway."""
        signature = self.spec.signature
        if x.shape[1:] != signature.shape or x.dtype != signature.dtype:
            raise SignatureError(
                f"{self.spec.id} reads {signature.key} as {signature.dtype}, got {x.dtype} inputs "
                f"{list(x.shape[1:])}"
            )

    def verify(self) -> ProbeResult:
        """Run the stored probe inputs again and compare with the stored answers.

        Those were computed on the CPU, whatever trained the pathway. A GPU adds up in another
        order, so there the comparison allows for rounding: 1e-4 of a probability, or of a
        number's size.
        """
        inputs, wanted = self._probes
        with _on_one_thread():
            given = self._run(inputs)
        near = torch.allclose(given, wanted, rtol=_ROUNDING, atol=_ROUNDING)
        identical = bool(torch.equal(given, wanted))
        return ProbeResult(
            identical=identical,
            difference=float((given - wanted).abs().max()),
            rounded=near and not identical and self.device != CPU,
        )

    def as_source(self) -> Source:
        """What this pathway lends to a new task: its own body and head."""
        return Source(
            id=self.spec.id,
            body=self.model.body,
            head=self.model.head,
            labels=self.spec.labels,
        )

    @torch.inference_mode()
    def _run(self, x: Tensor) -> Tensor:
        x = x.to(self.device)
        model, lent = self.model, None
        if self.source_body is not None:
            lent = self.source_body(self.source_body.prepare(x))
        answer: Tensor = model.output(model(model.body.prepare(x), lent))
        return answer.cpu()

    def _nothing(self) -> NDArray[np.float32]:
        return np.zeros((0, self.model.output.width), np.float32)


def load_source(stored: StoredPathway) -> Source:
    """What a stored pathway lends to a new task; its own source is not needed.

    A pathway whose target is a number has no classes to lend.
    """
    assert stored.spec.output == "classes", f"{stored.spec.id} has no classes to link"
    tensors = stored.tensors()
    body = _body_from(stored.spec, tensors)
    head = nn.Linear(body.width, len(stored.spec.labels))
    fill(head, below("head.", tensors), stored.spec)
    freeze(head)
    return Source(id=stored.spec.id, body=body, head=head, labels=stored.spec.labels)


def load_body(stored: StoredPathway, *, checked: bool = False) -> Body:
    """The frozen body of a stored pathway."""
    return _body_from(stored.spec, stored.tensors(checked=checked))


def probe_inputs(signature: Signature) -> Tensor:
    """Made-up inputs [4, *shape] to verify a pathway with: noise, so no example is kept."""
    rng = np.random.default_rng(0)
    shape = (_PROBES, *signature.shape)
    match signature.modality:
        case "image":
            return torch.from_numpy(rng.integers(0, 256, shape, np.uint8))
        case "audio":
            return torch.from_numpy(rng.uniform(-1, 1, shape).astype(np.float32))
        case "table":  # of whose scale nothing is known
            scale = 10.0 ** np.arange(_PROBES)[:, None]
            return torch.from_numpy((scale * rng.standard_normal(shape)).astype(np.float32))
        case "text":
            return torch.from_numpy(rng.integers(0, signature.vocabulary, shape, np.int32))


def weight_tensors(
    model: PathwayModel, source_body: Body | None, signature: Signature
) -> dict[str, Tensor]:
    """What goes into the weight file: own weights, probe inputs and the answers to them that the
    CPU gives, all on the CPU."""
    freeze(model)
    model = on_device(model, CPU)
    source_body = source_body and on_device(source_body, CPU)
    x = probe_inputs(signature)
    with torch.inference_mode(), _on_one_thread():
        lent = source_body(source_body.prepare(x)) if source_body else None
        answers = model.output(model(model.body.prepare(x), lent))
    return {**model.state_dict(), _PROBE_INPUT: x, _PROBE_OUTPUT: answers}


def adopted_tensors(body: Body) -> dict[str, Tensor]:
    """A former source's body as it stands in the weight file of the pathway that adopted it."""
    return {_ADOPTED + name: tensor.cpu() for name, tensor in body.state_dict().items()}


def seal(spec: PathwaySpec, model: PathwayModel, lent: Body | None) -> StoredPathway:
    """Freeze a model as another version of a pathway.

    spec: as it shall be, but for what the weights decide: sizes, counts and the hash.
    lent: the body the links read, the source's or the adopted one.
    """
    tensors = weight_tensors(model, lent, spec.signature)
    own = parameter_count(model)
    read = parameter_count(lent) if lent else 0
    if lent and spec.adopted:
        tensors.update(adopted_tensors(lent))
    weights = pack(tensors)
    sealed = replace(
        spec,
        options=plain_options(model.body.options),
        source_width=lent.width if lent else 0,
        parameters=own + read if spec.adopted else own,
        active_parameters=own + read,
        weights_sha256=sha256(weights),
    )
    return StoredPathway(spec=sealed, weights=weights)


@contextmanager
def _on_one_thread() -> Iterator[None]:
    """The number of threads decides how sums are split, and so the last bits of an answer: a
    pathway is proven on one, whoever learned it on how many."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _body_from(spec: PathwaySpec, tensors: dict[str, Tensor]) -> Body:
    body = empty_model(spec).body
    fill(body, below(_BODY, tensors), spec)
    freeze(body)
    return body


def _take_probes(tensors: dict[str, Tensor], spec: PathwaySpec) -> tuple[Tensor, Tensor]:
    try:
        return tensors.pop(_PROBE_INPUT), tensors.pop(_PROBE_OUTPUT)
    except KeyError as error:
        raise WeightsError(f"the weight file of {spec.id} has no {error.args[0]}") from error


def _take_adopted(tensors: dict[str, Tensor], spec: PathwaySpec) -> Body | None:
    if spec.adopted is None:
        return None
    given = {name: tensors.pop(name) for name in list(tensors) if name.startswith(_ADOPTED)}
    body = empty_body(spec.adopted.family, spec.signature, spec.adopted.options)
    fill(body, below(_ADOPTED, given), spec)
    freeze(body)
    return body
