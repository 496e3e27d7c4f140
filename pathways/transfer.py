"""Forward transfer (§3.3): class similarity, links from one source, and their first weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pathways.data.task import TaskData
from pathways.device import device_of, on_device
from pathways.families import Body
from pathways.ids import PathwayId
from pathways.model import PathwayModel, as_tensor, hidden_in_batches

_SIMILARITY_EXAMPLES = 500  # a class; its mean probability is then known to about 0.02


@dataclass(frozen=True)
class Link:
    """Source class → target class, with the mean probability that made it."""

    source_class: int
    target_class: int
    similarity: float


@dataclass(frozen=True, kw_only=True)
class Source:
    """What a frozen pathway lends: its body and the head on its own hidden units.

    A source that has a link itself lends without it: a chain of sources would activate more
    than two pathways (§3.5). Training keeps every own head useful alone (see `learning`).
    """

    id: PathwayId
    body: Body
    head: nn.Linear
    labels: tuple[str, ...] = ()
    """Its classes by name."""

    def to(self, device: torch.device) -> Source:
        """The same where a new task computes; what may not compute there stays where it is."""
        if not self.body.accelerates:
            return self
        return replace(self, body=on_device(self.body, device), head=on_device(self.head, device))

    def hidden(self, x: Tensor) -> Tensor:
        """Hidden units [n, width] of raw inputs."""
        return hidden_in_batches(self.body, self.body.prepare(x))

    @torch.inference_mode()
    def probabilities(self, hidden: Tensor) -> Tensor:
        """Class probabilities [n, source classes] from own hidden units alone."""
        result: Tensor = self.head(hidden).softmax(dim=1)
        return result


@dataclass(frozen=True, kw_only=True)
class Transfer:
    """The chosen source with its links and its hidden units of the new task's examples."""

    source: Source
    links: tuple[Link, ...]
    expected_accuracy: float
    """Zero-shot accuracy the links promise on the new task, 0..1."""


def class_similarity(
    probabilities: NDArray[np.float32], y: NDArray[np.int64], classes: int
) -> NDArray[np.float64]:
    """Mean source probabilities of each new class: [classes, source classes] (§3.3)."""
    total = np.zeros((classes, probabilities.shape[1]))
    np.add.at(total, y, probabilities)
    mean: NDArray[np.float64] = total / np.bincount(y, minlength=classes)[:, None]
    return mean


def find_links(similarity: NDArray[np.float64], threshold: float) -> tuple[Link, ...]:
    """For every new class the source class most like it, where that reaches `threshold`."""
    best = similarity.argmax(axis=1)
    return tuple(
        Link(int(source), target, float(similarity[target, source]))
        for target, source in enumerate(best)
        if similarity[target, source] >= threshold
    )


def expected_accuracy(links: Sequence[Link], shares: NDArray[np.float64]) -> float:
    """Zero-shot accuracy that `links` promise, 0..1.

    shares: portion of the new task's examples in each class [classes]. Targets that share a
    source class cannot be told apart, so only the most frequent of them can be right.
    """
    right: dict[int, float] = {}
    for link in links:
        gain = link.similarity * float(shares[link.target_class])
        right[link.source_class] = max(right.get(link.source_class, 0.0), gain)
    return sum(right.values())


def rank_sources(data: TaskData, sources: Sequence[Source], threshold: float) -> list[Transfer]:
    """The sources of which a class reaches the threshold, those whose links promise most first."""
    shares = data.counts() / len(data)
    if data.counts().max() > _SIMILARITY_EXAMPLES:
        data = data.shots(_SIMILARITY_EXAMPLES, np.random.default_rng(0))
    alike = []
    for source in sources:
        x = as_tensor(data.x, device_of(source.body))
        given = source.probabilities(source.hidden(x)).cpu().numpy()
        links = find_links(class_similarity(given, data.y, len(data.labels)), threshold)
        promise = expected_accuracy(links, shares)
        if links:
            alike.append(Transfer(source=source, links=links, expected_accuracy=promise))
    return sorted(alike, key=lambda transfer: -transfer.expected_accuracy)


def choose_source(data: TaskData, sources: Sequence[Source], threshold: float) -> Transfer | None:
    """The one source whose links promise most, of those that have hidden units to lend, or None
    if no class of theirs reaches the threshold."""
    return best_lender(rank_sources(data, sources, threshold))


def best_lender(ranked: Sequence[Transfer]) -> Transfer | None:
    """The first that has hidden units to lend, or None."""
    return next((transfer for transfer in ranked if transfer.source.body.lends), None)


def why_unlinked(best: Transfer, labels: Sequence[str], family: str, *, reads: bool) -> str:
    """Why a task with these labels has no links though `best` is like it.

    reads: whether the task's own family could read a source.
    """
    link = max(best.links, key=lambda link: link.similarity)
    there = best.source.labels[link.source_class : link.source_class + 1] or (link.source_class,)
    alike = (
        f"most similar to {best.source.id.task} "
        f"({there[0]} → {labels[link.target_class]} {link.similarity:.2f})"
    )
    if reads:
        return f"{alike}, which has no hidden units to lend"
    return f"{alike}, but a model of family {family} has no hidden layer that links could lead to"


@torch.no_grad()
def initialise_links(model: PathwayModel, transfer: Transfer) -> None:
    """Start the linked classes from the source head's rows, everything else from zero.

    The own head starts at zero too, so that before any training the pathway says exactly
    what its links say (zero-shot, Table 2); its body is random and learns from the first step.
    """
    assert model.link is not None, "the model was built without room for a link"
    for parameter in (model.link.weight, model.head.weight, model.head.bias):
        parameter.zero_()
    for link in transfer.links:
        model.link.weight[link.target_class] = transfer.source.head.weight[link.source_class]
        model.head.bias[link.target_class] = transfer.source.head.bias[link.source_class]


@torch.no_grad()
def warm_start(model: PathwayModel, source: Source) -> None:
    """Start the own body from the source's, where both are of one family and size."""
    own = model.body
    if type(own) is type(source.body) and own.options == source.body.options:
        own.load_state_dict(source.body.state_dict())
