"""Files made to take a process down: refused for what they are, before they take much memory."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile

from pathways import CorruptFileError, DataError, TooLargeError
from pathways.data.archives import open_zip
from pathways.data.audio import decode_audio
from pathways.data.load import load_task
from pathways.data.npy import read_npy
from tests.unit.task_files import IMAGES, PNGS, Y

MIB = 1 << 20


@contextmanager
def at_most(n_bytes: int) -> Iterator[None]:
    """What Python and NumPy allocate inside stays below."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < n_bytes
    finally:
        tracemalloc.stop()


def zipped(files: dict[str, bytes]) -> bytearray:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in files.items():
            archive.writestr(name, body)
    return bytearray(out.getvalue())


def opened(body: bytes | bytearray, max_bytes: int = MIB) -> list[str]:
    with open_zip(io.BytesIO(body), "t.zip", max_bytes) as archive:
        for name in archive.namelist():
            archive.read(name)
        return archive.namelist()


def test_a_plain_archive_is_opened() -> None:
    assert opened(zipped({"a": b"1", "b": b"2"})) == ["a", "b"]
    commented = zipped({"a": b"1"})
    commented[-2:] = b"\x05\x00"
    assert opened(bytes(commented) + b"hello") == ["a"]


def test_what_an_archive_unpacks_to_is_bounded() -> None:
    with pytest.raises(TooLargeError, match="unpacks to"):
        opened(zipped({"a": bytes(2 * MIB)}))


def test_entries_that_share_their_bytes_count_each() -> None:
    """The bomb without nesting: many entries, one content."""
    body = zipped({"a": bytes(MIB // 2)})
    start = body.index(b"PK\x01\x02")
    entry, end = body[start:-22], body[-22:]
    end[8:12] = struct.pack("<HH", 50, 50)
    end[12:16] = struct.pack("<I", 50 * len(entry))
    with pytest.raises(TooLargeError, match="unpacks to"):
        opened(body[:start] + entry * 50 + end)


def test_a_list_of_entries_that_takes_much_memory_is_not_read() -> None:
    entry = b"PK\x01\x02" + bytes(42)
    body = entry * 400_000
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 0, 0, len(body), 0, 0)
    hostile = body + end
    with at_most(len(hostile) + MIB), pytest.raises(TooLargeError, match="lists too many files"):
        opened(hostile)


def test_too_many_entries_are_refused() -> None:
    entry = b"PK\x01\x02" + bytes(42)
    body = entry * 70_000
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 0, 0, len(body), 0, 0)
    with pytest.raises(TooLargeError, match="70000 entries"):
        opened(body + end)


def test_zip64_is_refused_wherever_it_hides() -> None:
    body = zipped({"a": b"1"})
    locator = b"PK\x06\x07" + bytes(16)
    with pytest.raises(TooLargeError, match="Zip64"):
        opened(body[:-22] + locator + body[-22:])
    inside = bytearray(body[-22:])
    inside[12:16] = b"PK\x05\x06"  # an end inside of the end
    with pytest.raises((TooLargeError, CorruptFileError)):
        opened(body[:-22] + locator + inside)


@pytest.mark.parametrize("at", [10, 30, 60, -60, -30, -15, -10])
def test_damaged_archives_are_corrupt(at: int) -> None:
    body = zipped({"a.txt": b"some words " * 9, "b.txt": b"others"})
    body[at] ^= 0xFF
    with suppress(DataError):  # some bytes do not matter, as those of times
        opened(body)


def test_an_encrypted_entry_is_refused() -> None:
    body = zipped({"a": b"1"})
    body[body.index(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(DataError, match="encrypted"):
        opened(body)


@pytest.mark.parametrize("shape", ["(10000000000,)", "(1000000, 1000000)", "(-1,)"])
def test_the_head_of_an_array_takes_no_memory(tmp_path: Path, shape: str) -> None:
    text = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}".encode()
    array = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + bytes(64)
    with at_most(MIB), pytest.raises(CorruptFileError, match="no complete"):
        read_npy(array, "x")
    (tmp_path / "t.npz").write_bytes(zipped({"x.npy": array, "y.npy": array}))
    with at_most(MIB), pytest.raises(CorruptFileError, match="no complete"):
        load_task(tmp_path / "t.npz")


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["|u1", ">f4", "<i8", "<U3"])
def test_an_array_is_read_as_numpy_reads_it(order: str, dtype: str) -> None:
    array = np.asarray(np.arange(24).reshape(2, 3, 4).astype(dtype), order=order)  # type: ignore[call-overload]
    out = io.BytesIO()
    np.save(out, array)
    read = read_npy(out.getvalue(), "x")
    np.testing.assert_array_equal(read, array)
    assert read.dtype == array.dtype


def parquet(path: Path, column: pa.Array) -> Path:
    labels = ["a", "b"] * (len(column) // 2)
    table = pa.table({"image": column, "label": labels})
    pq.write_table(table, path, compression="zstd", store_schema=False)
    return path


@pytest.mark.parametrize("in_struct", [False, True])
def test_a_value_that_repeats_takes_its_memory_once(tmp_path: Path, in_struct: bool) -> None:
    values = pa.array([bytes(10 * MIB)], pa.binary())
    column = pa.DictionaryArray.from_arrays(pa.array([0] * 600, pa.int32()), values)
    if in_struct:
        fields = [pa.field("bytes", column.type), pa.field("path", pa.string())]
        column = pa.StructArray.from_arrays([column, pa.array(["x"] * 600)], fields=fields)
    path = parquet(tmp_path / "t.parquet", column)
    assert path.stat().st_size < 100_000
    with pytest.raises(CorruptFileError, match="cannot be decoded"):  # it was not too large
        load_task(path, max_bytes=40 * MIB)


def test_what_a_parquet_file_unpacks_to_is_bounded(tmp_path: Path) -> None:
    column = pa.array([bytes([n]) * MIB for n in range(20)], pa.binary())
    path = parquet(tmp_path / "t.parquet", column)
    with pytest.raises(TooLargeError, match="unpacks to more than"):
        load_task(path, max_bytes=10 * MIB)


def test_a_column_that_repeats_its_images_is_loaded(tmp_path: Path) -> None:
    column = pa.array(PNGS * 200, pa.binary()).dictionary_encode()
    assert len(load_task(parquet(tmp_path / "t.parquet", column)).data) == 600


def test_an_npz_is_bounded(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "t.npz", x=np.zeros((4, 1000, 1000), np.uint8), y=Y)
    with pytest.raises(TooLargeError, match="unpacks to"):
        load_task(tmp_path / "t.npz", max_bytes=MIB)
    np.savez(tmp_path / "t.npz", x=IMAGES, y=Y)
    assert len(load_task(tmp_path / "t.npz", max_bytes=MIB).data) == len(Y)


def test_a_flac_file_that_unpacks_hugely_is_refused() -> None:
    out = io.BytesIO()
    soundfile.write(out, np.zeros(8_000_000, np.int16), 48_000, format="FLAC")
    assert len(out.getvalue()) < MIB
    with at_most(4 * MIB), pytest.raises(TooLargeError, match="more samples"):
        decode_audio(out.getvalue(), max_samples=100_000)
