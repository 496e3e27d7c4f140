"""The kinds of simulated tasks: what their inputs are, how they are learned, how many there are."""

from __future__ import annotations

from dataclasses import dataclass

from pathways.learning import LearnConfig
from pathways.signature import Signature, audio_signature, image_signature
from pathways.training import TrainConfig


@dataclass(frozen=True, kw_only=True)
class Kind:
    """Tasks of one signature. Families do not cross kinds."""

    signature: Signature
    how: LearnConfig
    """How a task of the kind is learned: in tens of milliseconds, to be right at test."""
    turns: tuple[int, ...]
    """Of every CYCLE tasks in a row, those that are of this kind."""

    def index(self, place: int) -> int:
        """Index among all tasks of the kind's `place`-th task, from 0."""
        turn, within = divmod(place, len(self.turns))
        return turn * CYCLE + self.turns[within]

    def place(self, index: int) -> int:
        """What `index` turns back; `index` must be of this kind."""
        cycle, turn = divmod(index, CYCLE)
        return cycle * len(self.turns) + self.turns.index(turn)


CYCLE = 20

_IMAGE = LearnConfig(
    family="mlp",
    options={"hidden": 16},
    held_out_share=0.0,
    train=TrainConfig(epochs=1, min_steps=60, batch_size=64, learning_rate=2e-2),
)
_SOUND = LearnConfig(
    family="melcnn",
    options={"bands": 16, "frames": 16, "channels": 4, "hidden": 16},
    held_out_share=0.0,
    train=TrainConfig(epochs=1, min_steps=60, batch_size=64, learning_rate=2e-2),
)
_LARGER = (4, 9, 14)
_SOUNDS = (19,)

KINDS = (
    Kind(
        signature=image_signature(8, 8),
        how=_IMAGE,
        turns=tuple(t for t in range(CYCLE) if t not in (*_LARGER, *_SOUNDS)),
    ),
    Kind(signature=image_signature(12, 12), how=_IMAGE, turns=_LARGER),
    Kind(signature=audio_signature(samples=1_000), how=_SOUND, turns=_SOUNDS),
)
"""Four in five are small images; sounds, which take the longest to learn, are one in twenty."""


def kind_of(index: int) -> Kind:
    """The kind of a task."""
    return next(kind for kind in KINDS if index % CYCLE in kind.turns)
