"""Which layout lies at a path: a folder of class folders, an .npz, a Parquet or a CSV file."""

from __future__ import annotations

from pathlib import Path

from pathways.data.csv import open_csv
from pathways.data.examples import MAX_TASK_BYTES, AnyExamples
from pathways.data.folder import open_folder
from pathways.data.npz import open_npz
from pathways.data.parquet import open_parquet
from pathways.errors import DataError

_FILES = {".npz": open_npz, ".parquet": open_parquet, ".pq": open_parquet, ".csv": open_csv}

SUPPORTED = "a folder with one sub-folder of images or sounds per class, .npz, .parquet or .csv"


def open_layout(
    path: Path, max_bytes: int = MAX_TASK_BYTES, target: str | None = None
) -> AnyExamples:
    """The labelled examples at `path`, not decoded yet; files unpack to at most `max_bytes`.

    target: what the number to predict is called (see `load_task`). Raises DataError if nothing is
    there, the layout is unknown or its content is wrong.
    """
    try:
        is_folder, is_file = path.is_dir(), path.is_file()
    except OSError as error:
        raise DataError(f"{str(path)[:200]} cannot be read ({error.strerror})") from error
    if is_folder and target is not None:
        raise DataError(
            f"{path} is a folder, whose sub-folders name classes; a number to predict ({target}) "
            "needs an .npz, .parquet or .csv file"
        )
    if is_folder:
        return open_folder(path)
    if not is_file:
        raise DataError(f"{path} does not exist; give {SUPPORTED}")
    opener = _FILES.get(path.suffix.lower())
    if opener is None:
        raise DataError(
            f"{path}: files of type {path.suffix or '(no extension)'} are not supported; "
            f"give {SUPPORTED}"
        )
    return opener(path, max_bytes, target)
