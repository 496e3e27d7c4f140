"""The folder layout: one sub-directory per class, image or sound files in each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pathways.data.classes import ordered
from pathways.data.examples import Images, Sounds, encoded, read_bytes
from pathways.errors import DataError
from pathways.signature import Modality

SUFFIXES: dict[Modality, tuple[str, ...]] = {
    "image": (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff"),
    "audio": (".wav", ".flac"),
}
_MODALITIES = {suffix: kind for kind, suffixes in SUFFIXES.items() for suffix in suffixes}

_SYSTEM_FOLDERS = {"__MACOSX"}  # what macOS adds to zip archives; its files look like media


def open_folder(path: Path) -> Images | Sounds:
    """The examples of a folder with one sub-directory per class.

    Raises DataError for any other content, naming the folder or file at fault.
    """
    entries = _list(path)
    ignored = [entry for entry in entries if _hidden(entry)]
    folders = [entry for entry in entries if entry.is_dir() and not _hidden(entry)]
    loose = [entry for entry in entries if not entry.is_dir() and not _hidden(entry)]
    if not folders:
        raise _no_classes(path, loose)
    ignored += loose
    media: dict[str, list[Path]] = {}
    for folder in folders:
        media[folder.name], others = _class_files(folder)
        ignored += others
    modality = _modality(path, [file for files in media.values() for file in files])
    return _examples(media, modality, _ignored_notes(ignored))


def _list(path: Path) -> list[Path]:
    try:
        return sorted(path.iterdir())
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); check the folder") from error


def _hidden(entry: Path) -> bool:
    return entry.name.startswith(".") or entry.name in _SYSTEM_FOLDERS


def _is_media(entry: Path) -> bool:
    return entry.suffix.lower() in _MODALITIES


def _no_classes(path: Path, loose: Sequence[Path]) -> DataError:
    if not loose:
        return DataError(f"{path} is empty; give a folder with one sub-folder per class")
    return DataError(
        f"{path} holds {len(loose)} files (such as {loose[0].name}) but no class folders; "
        "put the files of each class into a sub-folder named after the class"
    )


def _class_files(folder: Path) -> tuple[list[Path], list[Path]]:
    """(media files, all else) of one class; raises DataError if there are no media files."""
    entries = _list(folder)
    media = [e for e in entries if _is_media(e) and not _hidden(e) and not e.is_dir()]
    if media:
        return media, [entry for entry in entries if entry not in set(media)]
    inner = [entry.name for entry in entries if entry.is_dir() and not _hidden(entry)]
    if inner:
        raise DataError(
            f"{folder} holds no images or sounds but sub-folders ({', '.join(inner[:3])}); "
            "class folders hold files: is this the folder to load?"
        )
    found = f"found {entries[0].name}" if entries else "it is empty"
    raise DataError(
        f"class folder {folder} has no images or sounds ({found}); add some "
        f"({', '.join(_MODALITIES)}) or remove the folder"
    )


def _modality(path: Path, files: Sequence[Path]) -> Modality:
    first = {_MODALITIES[file.suffix.lower()]: file for file in reversed(files)}
    if len(first) > 1:
        raise DataError(
            f"{path} mixes images ({first['image']}) and sounds ({first['audio']}); "
            "a task has one kind of input: put them into two folders"
        )
    return next(iter(first))


def _ignored_notes(ignored: Sequence[Path]) -> tuple[str, ...]:
    """Ignored entries counted by kind, each with an example."""
    kinds = [_kind(entry) for entry in ignored]
    examples = dict(zip(reversed(kinds), reversed(ignored), strict=True))
    return tuple(
        f"ignored {count} {kind}{'s' if count > 1 else ''} (such as {examples[kind].name})"
        for kind, count in Counter(kinds).items()
    )


def _kind(entry: Path) -> str:
    if _hidden(entry):
        return "hidden entry" if entry.is_dir() else "hidden file"
    if entry.is_dir():
        return "folder inside a class folder"
    if _is_media(entry):
        return "file outside the class folders"
    return "other file"


def _examples(
    media: dict[str, list[Path]], modality: Modality, notes: tuple[str, ...]
) -> Images | Sounds:
    labels = ordered(media)
    files = [file for label in labels for file in media[label]]
    return encoded(
        modality,
        lambda row: read_bytes(files[row]),
        y=np.repeat(np.arange(len(labels), dtype=np.int64), [len(media[k]) for k in labels]),
        labels=labels,
        name=lambda row: str(files[row]),
        notes=notes,
    )
