"""A random forest (Breiman 2001): fitted by scikit-learn, walked by torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from pathways.families.fitted import Fit, FittedBody, Step, array, filled
from pathways.families.options import fitted_size
from pathways.signature import Signature

_TREES_A_STEP = 5


@dataclass(frozen=True, kw_only=True)
class ForestOptions:
    trees: int = 100
    """Trees of the forest."""
    depth: int = 20
    """Decisions on the way to a leaf at most."""
    leaves: int = 500
    """Leaves of a tree at most; they bound the memory of a stored forest."""
    examples: int = 20_000
    """Examples drawn for a tree at most, which bound the time."""
    classes: int = fitted_size()
    nodes: int = fitted_size()
    """Of all trees together."""
    levels: int = fitted_size()
    """Decisions on the longest way to a leaf."""


class ForestBody(FittedBody):
    """Numbers → log of the mean class distribution in the leaves they reach.

    All trees' nodes lie one tree after the other in arrays, and all rows walk all trees at once. A
    leaf's children are itself, so that ways of any length take the same number of steps.
    """

    Options = ForestOptions
    unit = "tree"

    def __init__(self, signature: Signature, options: ForestOptions) -> None:
        super().__init__(signature, options)
        nodes, trees = options.nodes, options.trees
        self.root = array(trees, dtype=torch.int32)
        self.feature = array(nodes, dtype=torch.int32)
        self.threshold = array(nodes)
        self.left = array(nodes, dtype=torch.int32)
        self.right = array(nodes, dtype=torch.int32)
        self.leaf = array(nodes, dtype=torch.int32)
        # In a binary tree the leaves are one more than the inner nodes.
        self.distribution = array((nodes + trees) // 2, options.classes)

    def forward(self, prepared: Tensor) -> Tensor:
        return smoothed(self.distributions(prepared), self.options.trees).log()

    def distributions(self, prepared: Tensor) -> Tensor:
        """Mean class distribution float32 [n, classes] in the leaves that rows reach."""
        at = self.root.long().expand(len(prepared), -1)  # [n, trees]
        for _ in range(self.options.levels):
            goes_left = prepared.gather(1, self.feature[at].long()) <= self.threshold[at]
            at = torch.where(goes_left, self.left[at], self.right[at]).long()
        return F.embedding_bag(self.leaf[at], self.distribution, mode="mean")

    def fit(self, x: Tensor, y: NDArray[np.int64], classes: int, seed: int, step: Step) -> Fit:
        from sklearn.ensemble import RandomForestClassifier

        options = self.options
        forest = RandomForestClassifier(
            n_estimators=0,
            max_depth=options.depth,
            max_leaf_nodes=max(2, options.leaves),
            max_samples=min(len(y), options.examples),
            random_state=seed,
            warm_start=True,
        )
        values = self.prepare(x).numpy()
        while forest.n_estimators < options.trees:
            forest.n_estimators = min(options.trees, forest.n_estimators + _TREES_A_STEP)
            forest.fit(values, y)
            step(forest.n_estimators, options.trees)
        body = from_trees(self.signature, options, [e.tree_ for e in forest.estimators_], classes)
        return Fit(body, torch.eye(classes), torch.zeros(classes))


def smoothed(distribution: Tensor, trees: int) -> Tensor:
    """Probabilities above 0, as if one more tree had been asked that knows nothing."""
    classes = distribution.shape[1]
    return (trees * distribution + 1 / classes) / (trees + 1)


def from_trees(
    signature: Signature, options: ForestOptions, trees: Sequence[Any], classes: int
) -> ForestBody:
    """A body with scikit-learn's trees in it."""
    counts = np.array([tree.node_count for tree in trees])
    roots = np.cumsum(counts) - counts
    is_leaf = np.concatenate([tree.children_left < 0 for tree in trees])
    own, first = np.arange(counts.sum()), np.repeat(roots, counts)
    left, right = (
        np.where(is_leaf, own, np.concatenate(sides) + first)
        for sides in ([t.children_left for t in trees], [t.children_right for t in trees])
    )
    values = np.concatenate([tree.value[:, 0] for tree in trees])[is_leaf]
    sizes = {"classes": classes, "nodes": len(own), "levels": max(t.max_depth for t in trees)}
    body = ForestBody(signature, ForestOptions(**{**vars(options), **sizes}))
    filled(
        body,
        root=roots,
        feature=np.where(is_leaf, 0, np.concatenate([tree.feature for tree in trees])),
        threshold=_rounded_down(np.concatenate([tree.threshold for tree in trees])),
        left=left,
        right=right,
        leaf=np.where(is_leaf, np.cumsum(is_leaf) - 1, 0),
        distribution=values / values.sum(axis=1, keepdims=True),
    )
    return body


def _rounded_down(threshold: NDArray[np.float64]) -> NDArray[np.float32]:
    """The next float32 that is not above: for float32 values every comparison stays the same."""
    near = threshold.astype(np.float32)
    return np.where(near > threshold, np.nextafter(near, np.float32(-np.inf)), near)
