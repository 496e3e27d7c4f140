"""The two settings the experiments run in: the paper's, and the best we know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from benchmarks.paper.tasks import IMAGE_TASKS, TASKS
from dispatcher import RouterConfig, SelectConfig
from dispatcher.features import DEFAULT_DIM
from pathways import LearnConfig, TrainConfig


@dataclass(frozen=True, kw_only=True)
class Baselines:
    """Strengths of the systems SEN is compared with, chosen on validation data (`tune`)."""

    ewc_strength: float = 1000.0
    """Factor of the quadratic penalty (λ of Kirkpatrick et al. 2017)."""
    lwf_strength: float = 1.0
    """Factor of the distillation loss (Li and Hoiem 2016)."""
    lwf_temperature: float = 2.0
    replay_examples: int = 2_000
    """Examples of earlier tasks kept, over all of them together."""


@dataclass(frozen=True, kw_only=True)
class Dispatching:
    """How the dispatcher decides; the product's defaults if not said otherwise."""

    features: int = DEFAULT_DIM
    """Length of the router's feature vectors."""
    router: RouterConfig = field(default_factory=RouterConfig)
    select: SelectConfig = field(default_factory=SelectConfig)


@dataclass(frozen=True, kw_only=True)
class Profile:
    """How every task is learned; the same model, optimiser and budget for every system."""

    name: str
    systems: tuple[str, ...]
    learning: Mapping[str, LearnConfig]
    """By task name; `shots`, `seed` and, for systems without links, `max_sources` are replaced."""
    few_shot: Mapping[str, TrainConfig] = field(default_factory=dict)
    """By task name, the training from a few examples a class, where it is another."""
    baselines: Baselines = Baselines()
    dispatching: Dispatching = Dispatching()
    shots: tuple[int, ...] = (0, 5, 10)

    def config(self, task: str, shots: int | None, seed: int) -> LearnConfig:
        """How `task` is learned from `shots` examples a class (None for all)."""
        config = replace(self.learning[task], shots=shots, seed=seed)
        if shots is None:
            return config
        return replace(config, train=self.few_shot.get(task, config.train))


IMAGE_SYSTEMS = ("sen", "single", "multitask", "pnn", "ewc", "lwf", "replay", "joint")

_Setting = TypeVar("_Setting")


def _by_task(*settings: _Setting) -> dict[str, _Setting]:
    return dict(zip(TASKS, settings, strict=True))


_PAPER_IMAGES = LearnConfig(
    family="mlp", held_out_share=0.0, warm_start=False, train=TrainConfig(epochs=20)
)
_PAPER_LETTERS = replace(_PAPER_IMAGES, train=TrainConfig(epochs=30))
_PAPER_SOUNDS = LearnConfig(
    family="lstm",
    held_out_share=0.0,
    train=TrainConfig(epochs=15, batch_size=64, learning_rate=1e-3),
)
# What is learned from a few examples lends to nobody, so nothing is asked of its own head alone.
_PAPER_FEW = TrainConfig(own_loss_weight=0.0)
_PAPER_FEW_UPPER = replace(_PAPER_FEW, learning_rate=1e-3)

PAPER = Profile(
    name="paper",
    systems=IMAGE_SYSTEMS,
    learning=_by_task(_PAPER_IMAGES, _PAPER_IMAGES, _PAPER_LETTERS, _PAPER_LETTERS, _PAPER_SOUNDS),
    few_shot=_by_task(*[_PAPER_FEW] * 3, _PAPER_FEW_UPPER, _PAPER_SOUNDS.train),
)

_BEST_IMAGES = LearnConfig(
    family="cnn",
    held_out_share=0.0,
    train=TrainConfig(epochs=8, augment=True, mixed_precision=True),
)
_BEST_CLOTHES = replace(
    _BEST_IMAGES, options={"channels": 24}, train=replace(_BEST_IMAGES.train, epochs=12)
)
_BEST_DIGITS = replace(_BEST_IMAGES, train=replace(_BEST_IMAGES.train, epochs=6))
_BEST_SOUNDS = LearnConfig(
    family="melcnn", held_out_share=0.0, train=TrainConfig(epochs=25, batch_size=64)
)

BEST = Profile(
    name="best",
    systems=("sen", "joint"),
    learning=_by_task(_BEST_CLOTHES, _BEST_DIGITS, *[_BEST_IMAGES] * 2, _BEST_SOUNDS),
    few_shot=_by_task(
        *[replace(_BEST_IMAGES.train, min_steps=200)] * 4,
        replace(_BEST_SOUNDS.train, augment=True, min_steps=500),
    ),
    dispatching=Dispatching(
        features=3_000,
        router=RouterConfig(ridge=0.005),
        select=SelectConfig(second_above=0.001),
    ),
)

PROFILES: Mapping[str, Profile] = {"paper": PAPER, "best": BEST}


_QUICK = {"image": (20, 100), "audio": (4, 15)}
"""(epochs, steps at least) of a smoke test; a recurrent network's steps are slow."""


def quick(profile: Profile) -> Profile:
    """`profile` with the budget of a smoke test: what it reaches says nothing."""
    return replace(
        profile,
        learning={
            task: replace(config, train=_cut(config.train, *_QUICK[_modality(task)]))
            for task, config in profile.learning.items()
        },
        few_shot={
            task: _cut(budget, *_QUICK[_modality(task)])
            for task, budget in profile.few_shot.items()
        },
    )


def _modality(task: str) -> str:
    return "image" if task in IMAGE_TASKS else "audio"


def _cut(budget: TrainConfig, epochs: int, min_steps: int) -> TrainConfig:
    """In float32: bfloat16 takes far longer on processors that have no units for it."""
    return replace(
        budget,
        epochs=min(budget.epochs, epochs),
        min_steps=min(budget.min_steps, min_steps),
        mixed_precision=False,
    )
