"""The Free Spoken Digit Dataset: recordings/{digit}_{speaker}_{index}.wav, packed or unpacked."""

from __future__ import annotations

import re
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pathways.data.audio import decode_audio, fit_audio
from pathways.data.examples import read_bytes
from pathways.data.task import TaskData
from pathways.errors import CorruptFileError, DataError
from pathways.signature import audio_signature

PLACES = ("FSDD/recordings", "FSDD/recordings.tar.gz")
SOURCE = "https://github.com/Jakobovski/free-spoken-digit-dataset"

TEST_INDICES = 5
"""Recordings 0..4 of each digit and speaker are test, as the authors define it."""

_NAME = re.compile(r"([0-9])_([a-z]+)_([0-9]+)\.wav")


def find_spoken(root: Path) -> Path | None:
    """The place below `root` the recordings can be read from, if there is one."""
    return next((root / place for place in PLACES if (root / place).exists()), None)


def read_spoken(place: Path) -> tuple[TaskData, TaskData]:
    """(train, test) of the recordings in a folder or .tar.gz, in the order of their names.

    Raises CorruptFileError for a damaged archive or recording, DataError if there are none.
    """
    bodies = dict(_packed(place) if place.suffix == ".gz" else _unpacked(place))
    if not bodies:
        raise DataError(
            f"{place} holds no recordings named like 7_jackson_32.wav; get them from {SOURCE}"
        )
    train = {key: body for key, body in bodies.items() if key[2] >= TEST_INDICES}
    test = {key: body for key, body in bodies.items() if key[2] < TEST_INDICES}
    return _task(train, place), _task(test, place)


_Key = tuple[int, str, int]
"""(digit, speaker, index) of a recording."""


def _key(name: str) -> _Key | None:
    match = _NAME.fullmatch(name)
    return None if match is None else (int(match[1]), match[2], int(match[3]))


def _unpacked(folder: Path) -> Iterator[tuple[_Key, bytes]]:
    for file in folder.iterdir():
        if key := _key(file.name):
            yield key, read_bytes(file)


def _packed(archive: Path) -> Iterator[tuple[_Key, bytes]]:
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for member in tar:
                key, file = _key(Path(member.name).name), tar.extractfile(member)
                if key and file:
                    yield key, file.read()
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise CorruptFileError(
            f"{archive} cannot be unpacked ({error}); get it again from {SOURCE}"
        ) from error


def _task(bodies: dict[_Key, bytes], place: Path) -> TaskData:
    signature = audio_signature()
    clips = []
    for (digit, speaker, index), body in sorted(bodies.items()):
        name = f"{place}: {digit}_{speaker}_{index}.wav"
        clips.append(fit_audio(*decode_audio(body, name=name), signature)[0])
    try:
        return TaskData(
            x=np.stack(clips) if clips else np.zeros((0, *signature.shape), np.float32),
            y=np.array([digit for digit, _, _ in sorted(bodies)], np.int64),
            labels=tuple("0123456789"),
            signature=signature,
        )
    except DataError as error:
        raise DataError(f"{place} is not complete: {error}") from error
