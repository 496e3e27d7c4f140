"""Real data sets on disk: Fashion-MNIST, MNIST, cased letters of EMNIST, spoken digits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from pathways.data.idx import read_idx
from pathways.data.places import IMAGE_TASKS, IdxFiles, IdxPlace
from pathways.data.spoken import PLACES as SPOKEN_PLACES
from pathways.data.spoken import SOURCE as SPOKEN_SOURCE
from pathways.data.spoken import find_spoken, read_spoken
from pathways.data.task import TaskData
from pathways.errors import CorruptFileError, DataError
from pathways.signature import image_signature

NAMES = ("fashion", "digits", "lower", "upper", "spoken")


def real_task(
    name: str, data_dir: str | Path, *, folder: str | None = None
) -> tuple[TaskData, TaskData]:
    """(train, test) of the real task `name`, one of NAMES, from the files below `data_dir`.

    Images are uint8 [n, 28, 28, 1], light on black; spoken digits have the default audio
    signature. An image task that may stand in several folders (the letters) is read from the
    best that is there, or from `folder` alone. Raises DataError if `name` is unknown or files
    are missing, CorruptFileError if they are damaged.
    """
    if name not in NAMES:
        raise DataError(f"unknown real task {name!r}; known are {', '.join(NAMES)}")
    root = Path(data_dir)
    if name == "spoken":
        return _spoken(root)
    task = IMAGE_TASKS[name]
    places = [place for place in task.places if folder in (None, place.folder)]
    if not places:
        known = ", ".join(place.folder for place in task.places)
        raise DataError(f"{name!r} is never in a folder {folder!r}; known are {known}")
    for place in places:
        if found := place.find(root):
            train, test = found
            return _read(train, place, task.labels), _read(test, place, task.labels)
    missing = [path for place in places for path in place.missing(root)]
    raise DataError(
        f"the files of {name!r} are not all there; missing (plain or .gz): "
        f"{', '.join(missing)}. Get them with --download or name another folder"
    )


def _spoken(root: Path) -> tuple[TaskData, TaskData]:
    place = find_spoken(root)
    if place is None:
        raise DataError(
            f"the recordings of 'spoken' are neither at "
            f"{' nor at '.join(str(root / known) for known in SPOKEN_PLACES)}. "
            f"--download cannot get them: {_spoken_remedy(root)}"
        )
    return read_spoken(place)


def _spoken_remedy(root: Path) -> str:
    return f"copy the folder recordings of {SPOKEN_SOURCE} to {root / SPOKEN_PLACES[0]}"


def _read(files: IdxFiles, place: IdxPlace, labels: tuple[str, ...]) -> TaskData:
    """The task's own classes out of the files, upright."""
    images = read_idx(files.images, ndim=3)
    y = read_idx(files.labels, ndim=1).astype(np.int64) - place.first
    if len(images) != len(y):
        raise CorruptFileError(
            f"{files.images} has {len(images)} images but {files.labels} has {len(y)} labels; "
            "download both again"
        )
    rows = np.flatnonzero((y >= 0) & (y < len(labels)))
    x = images[rows]  # a copy: TaskData must neither be read-only nor hang on the file
    if place.transposed:
        x = np.ascontiguousarray(x.swapaxes(1, 2))
    try:
        return TaskData(
            x=np.asarray(x)[..., np.newaxis],
            y=y[rows],
            labels=labels,
            signature=image_signature(*x.shape[1:]),
        )
    except DataError as error:
        raise DataError(f"{files.labels}: {error}") from error


def download(data_dir: str | Path, *, report: Callable[[str], None] = print) -> None:
    """Fetch what is missing of the real image tasks into `data_dir`, through torchvision.

    `report` gets one sentence for each step, and where to put the spoken digits, which
    torchvision does not have. Raises DataError if the network or the disk fails.
    """
    from torchvision import datasets

    root = Path(data_dir)
    wanted: dict[str, Callable[[bool], object]] = {
        "fashion": lambda train: datasets.FashionMNIST(str(root), train=train, download=True),
        "digits": lambda train: datasets.MNIST(str(root), train=train, download=True),
        "lower": lambda train: datasets.EMNIST(
            str(root), split="byclass", train=train, download=True
        ),
    }
    for name, fetch in wanted.items():
        _fetch(name, fetch, root, report)
    if find_spoken(root) is None:
        report(f"torchvision has no spoken digits: {_spoken_remedy(root)}")


def _fetch(
    name: str, fetch: Callable[[bool], object], root: Path, report: Callable[[str], None]
) -> None:
    tasks = "'lower' and 'upper'" if name == "lower" else repr(name)
    if any(place.find(root) for place in IMAGE_TASKS[name].places):
        report(f"{tasks}: already there")
        return
    report(f"{tasks}: downloading to {root}")
    try:
        for train in (True, False):  # either may be what an interrupted download lacks
            fetch(train)
    except (OSError, RuntimeError) as error:
        reason = " ".join(str(error).split())  # torchvision tells of each mirror on its own line
        raise DataError(
            f"{tasks} could not be downloaded to {root}: {reason}. Check the network connection "
            "and the space on the disk, or copy the files there by hand"
        ) from error
