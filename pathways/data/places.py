"""Where the files of the real image tasks may stand below a data folder."""

from __future__ import annotations

import string
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class IdxFiles:
    """A task's images and labels for one part (train or test), found on disk."""

    images: Path
    labels: Path


@dataclass(frozen=True, kw_only=True)
class IdxPlace:
    """A place a task can be read from: four IDX files, plain or .gz."""

    stem: str
    """Path below the data folder, `{}` standing for the part."""

    test: str = "test"
    """What `{}` becomes for the test part (`train` for the other)."""

    first: int = 0
    """Label of the task's first class in the files; the files may hold other classes too."""

    transposed: bool = False
    """Whether the images are stored with rows and columns exchanged."""

    @property
    def folder(self) -> str:
        """The data set's folder below the data folder."""
        return self.stem.partition("/")[0]

    def find(self, root: Path) -> tuple[IdxFiles, IdxFiles] | None:
        """The files of (train, test), or None if one is missing."""
        found = [_plain_or_gz(root / name) for name in self._names()]
        if None in found:
            return None
        train_x, train_y, test_x, test_y = (path for path in found if path is not None)
        return (
            IdxFiles(images=train_x, labels=train_y),
            IdxFiles(images=test_x, labels=test_y),
        )

    def missing(self, root: Path) -> list[str]:
        """The files not there, each by its unpacked name."""
        return [str(root / name) for name in self._names() if not _plain_or_gz(root / name)]

    def _names(self) -> list[str]:
        parts = (self.stem.format("train"), self.stem.format(self.test))
        return [f"{part}-{kind}-ubyte" for part in parts for kind in ("images-idx3", "labels-idx1")]


def _plain_or_gz(path: Path) -> Path | None:
    """The unpacked file if there is one (it is read faster), else its .gz."""
    candidates = (path, path.with_name(path.name + ".gz"))
    return next((candidate for candidate in candidates if candidate.is_file()), None)


@dataclass(frozen=True, kw_only=True)
class ImageTask:
    """A real image task."""

    labels: tuple[str, ...]
    places: tuple[IdxPlace, ...]
    """The best first."""


def _letters(labels: str, *, cased_first: int, emnist_first: int) -> ImageTask:
    return ImageTask(
        labels=tuple(labels),
        places=(
            IdxPlace(stem="LettersCased/letters-cased-{}", first=cased_first),
            IdxPlace(stem="EMNIST/raw/emnist-byclass-{}", first=emnist_first, transposed=True),
        ),
    )


_GARMENTS = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)

IMAGE_TASKS = {
    "fashion": ImageTask(
        labels=_GARMENTS, places=(IdxPlace(stem="FashionMNIST/raw/{}", test="t10k"),)
    ),
    "digits": ImageTask(
        labels=tuple(string.digits), places=(IdxPlace(stem="MNIST/raw/{}", test="t10k"),)
    ),
    "lower": _letters(string.ascii_lowercase, cased_first=26, emnist_first=36),
    "upper": _letters(string.ascii_uppercase, cased_first=0, emnist_first=10),
}
