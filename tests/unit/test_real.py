"""Reading the real data sets in every layout they come in, and downloading them."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from pathways.data.real import download, real_task
from pathways.errors import CorruptFileError, DataError
from pathways.signature import audio_signature, image_signature

REPOSITORY = Path(__file__).parents[2]
DATA_DIR = Path(os.environ.get("SEN_DATA_DIR", REPOSITORY.parent / "shared" / "data"))


def idx(array: np.ndarray) -> bytes:
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.astype(np.uint8).tobytes()


def write_set(stem: Path, images: np.ndarray, labels: np.ndarray, *, packed: bool) -> None:
    stem.parent.mkdir(parents=True, exist_ok=True)
    for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
        path = stem.with_name(f"{stem.name}-{kind}-ubyte" + (".gz" if packed else ""))
        path.write_bytes(gzip.compress(idx(array)) if packed else idx(array))


def pictures(n: int, height: int = 28, width: int = 28) -> np.ndarray:
    return np.random.default_rng(n).integers(0, 256, (n, height, width), dtype=np.uint8)


def write_mnist(root: Path, folder: str, *, packed: bool = True) -> None:
    for part, n in (("train", 20), ("t10k", 10)):
        write_set(root / folder / "raw" / part, pictures(n), np.arange(n) % 10, packed=packed)


def write_emnist(root: Path, *, packed: bool = False) -> None:
    for part, n in (("train", 124), ("test", 62)):
        stem = root / "EMNIST" / "raw" / f"emnist-byclass-{part}"
        write_set(stem, pictures(n, 2, 3), np.arange(n) % 62, packed=packed)


def write_cased(root: Path) -> None:
    for part, n in (("train", 104), ("test", 52)):
        stem = root / "LettersCased" / f"letters-cased-{part}"
        write_set(stem, pictures(n), np.arange(n) % 52, packed=True)


def recordings() -> dict[str, bytes]:
    """Ten digits of one speaker, two test and one train recording each; the level is the digit."""
    bodies = {}
    for digit in range(10):
        for index in (0, 4, 5):
            buffer = io.BytesIO()
            wave = np.full(800, digit / 16, np.float32)
            soundfile.write(buffer, wave, 8_000, format="WAV", subtype="PCM_16")
            bodies[f"{digit}_theo_{index}.wav"] = buffer.getvalue()
    return bodies


def write_spoken_folder(root: Path) -> None:
    (root / "FSDD" / "recordings").mkdir(parents=True)
    for name, body in recordings().items():
        (root / "FSDD" / "recordings" / name).write_bytes(body)
    (root / "FSDD" / "recordings" / "README.md").write_text("not a recording")


def write_spoken_archive(root: Path) -> None:
    (root / "FSDD").mkdir(parents=True)
    with tarfile.open(root / "FSDD" / "recordings.tar.gz", "w:gz") as tar:
        for name, body in recordings().items():
            member = tarfile.TarInfo(f"recordings/{name}")
            member.size = len(body)
            tar.addfile(member, io.BytesIO(body))


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize(
    ("name", "folder", "last"),
    [("fashion", "FashionMNIST", "Ankle boot"), ("digits", "MNIST", "9")],
)
def test_mnist_layouts(tmp_path: Path, name: str, folder: str, last: str, packed: bool) -> None:
    write_mnist(tmp_path, folder, packed=packed)
    train, test = real_task(name, str(tmp_path))
    assert (len(train), len(test)) == (20, 10)
    assert train.signature == image_signature()
    assert len(train.labels) == 10
    assert train.labels[9] == last
    assert train.y.tolist() == [*range(10), *range(10)]
    assert np.array_equal(train.x[..., 0], pictures(20))
    assert np.array_equal(test.x[..., 0], pictures(10))
    assert type(train.x) is np.ndarray
    assert train.x.flags.writeable


def test_garments_have_their_names(tmp_path: Path) -> None:
    write_mnist(tmp_path, "FashionMNIST")
    assert "; ".join(real_task("fashion", tmp_path)[0].labels) == (
        "T-shirt/top; Trouser; Pullover; Dress; Coat; Sandal; Shirt; Sneaker; Bag; Ankle boot"
    )


@pytest.mark.parametrize(("name", "first", "a"), [("upper", 0, "A"), ("lower", 26, "a")])
def test_cased_letters(tmp_path: Path, name: str, first: int, a: str) -> None:
    write_cased(tmp_path)
    write_emnist(tmp_path)  # not looked at
    train, test = real_task(name, tmp_path)
    assert (len(train), len(test)) == (52, 26)
    assert train.labels == tuple(chr(ord(a) + i) for i in range(26))
    assert train.y.tolist() == [*range(26), *range(26)]
    assert np.array_equal(test.x[..., 0], pictures(52)[first : first + 26])


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize(("name", "first", "a"), [("upper", 10, "A"), ("lower", 36, "a")])
def test_emnist_letters_are_made_upright(
    tmp_path: Path, name: str, first: int, a: str, packed: bool
) -> None:
    write_emnist(tmp_path, packed=packed)
    train, test = real_task(name, tmp_path)
    assert (len(train), len(test)) == (52, 26)
    assert train.labels[0] == a
    assert test.signature == image_signature(3, 2, 1)
    assert test.y.tolist() == list(range(26))
    for stored, upright in zip(pictures(62, 2, 3)[first : first + 26], test.x, strict=True):
        assert np.array_equal(upright[..., 0], stored.T)
    assert test.x.flags.c_contiguous


def test_a_folder_can_be_asked_for(tmp_path: Path) -> None:
    write_cased(tmp_path)
    with pytest.raises(DataError, match=r"missing.*emnist-byclass") as refused:
        real_task("upper", tmp_path, folder="EMNIST")
    assert "LettersCased" not in str(refused.value)
    write_emnist(tmp_path)
    assert real_task("upper", tmp_path, folder="EMNIST")[0].signature == image_signature(3, 2, 1)
    assert real_task("upper", tmp_path, folder="LettersCased")[0].signature == image_signature()


def test_a_folder_a_task_is_never_in_is_refused(tmp_path: Path) -> None:
    write_mnist(tmp_path, "MNIST")
    with pytest.raises(DataError, match="never in a folder 'EMNIST'; known are MNIST"):
        real_task("digits", tmp_path, folder="EMNIST")


@pytest.mark.parametrize("write", [write_spoken_folder, write_spoken_archive])
def test_spoken_digits(tmp_path: Path, write: Callable[[Path], None]) -> None:
    write(tmp_path)
    train, test = real_task("spoken", tmp_path)
    assert (len(train), len(test)) == (10, 20)
    assert train.signature == audio_signature()
    assert train.labels == tuple("0123456789")
    assert train.x[:, 0].tolist() == [digit / 16 for digit in range(10)]
    assert not train.x[:, 800:].any()
    assert test.y.tolist() == sorted([*range(10), *range(10)])


def test_unknown_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"unknown real task 'letters'; known are fashion, digits"):
        real_task("letters", tmp_path)


@pytest.mark.parametrize(
    ("name", "places"),
    [
        ("digits", ["MNIST/raw/t10k-labels-idx1-ubyte"]),
        ("fashion", ["FashionMNIST/raw/train-images-idx3-ubyte"]),
        ("lower", ["LettersCased/letters-cased-train", "EMNIST/raw/emnist-byclass-test"]),
        ("spoken", ["FSDD/recordings", "FSDD/recordings.tar.gz"]),
    ],
)
def test_missing_files_are_listed(tmp_path: Path, name: str, places: list[str]) -> None:
    with pytest.raises(DataError) as caught:
        real_task(name, tmp_path)
    for place in places:
        assert str(tmp_path / place) in str(caught.value)
    assert "--download" in str(caught.value)


def test_only_what_is_missing_is_listed(tmp_path: Path) -> None:
    write_mnist(tmp_path, "MNIST")
    (tmp_path / "MNIST" / "raw" / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DataError, match="t10k-labels") as caught:
        real_task("digits", tmp_path)
    assert "images" not in str(caught.value)


GOOD = idx(np.zeros((20, 28, 28)))


@pytest.mark.parametrize(
    ("file", "body", "message"),
    [
        ("images-idx3-ubyte.gz", gzip.compress(GOOD, mtime=0)[:-20], "cannot be unpacked"),
        ("images-idx3-ubyte.gz", b"no gzip", "cannot be unpacked"),
        ("images-idx3-ubyte", b"", "is no IDX file"),
        ("images-idx3-ubyte", GOOD[:10], "is no IDX file"),
        ("images-idx3-ubyte", idx(np.zeros(20)), "is no IDX file"),
        ("images-idx3-ubyte", GOOD[:-1], r"has 15695 bytes where .*\[20, 28, 28\] needs 15696"),
        ("images-idx3-ubyte", GOOD + b"x", "needs 15696"),
        ("images-idx3-ubyte", GOOD[:4] + b"\xff" * 12 + GOOD[16:], "needs"),
        ("labels-idx1-ubyte", idx(np.zeros(19)), "has 20 images but .* has 19 labels"),
    ],
)
def test_damaged_files_are_named(tmp_path: Path, file: str, body: bytes, message: str) -> None:
    write_mnist(tmp_path, "MNIST")
    path = tmp_path / "MNIST" / "raw" / f"train-{file}"
    path.write_bytes(body)
    with pytest.raises(CorruptFileError, match=message) as caught:
        real_task("digits", tmp_path)
    assert str(path) in str(caught.value)


def test_a_set_without_a_class_is_named(tmp_path: Path) -> None:
    write_mnist(tmp_path, "MNIST")
    path = tmp_path / "MNIST" / "raw" / "train-labels-idx1-ubyte"
    path.write_bytes(idx(np.arange(20) % 9))
    with pytest.raises(DataError, match=f"{path}: class '9' has no examples"):
        real_task("digits", tmp_path)


def test_damaged_archives_are_named(tmp_path: Path) -> None:
    write_spoken_archive(tmp_path)
    path = tmp_path / "FSDD" / "recordings.tar.gz"
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(CorruptFileError, match=f"{path} cannot be unpacked"):
        real_task("spoken", tmp_path)


def test_damaged_recordings_are_named(tmp_path: Path) -> None:
    write_spoken_folder(tmp_path)
    (tmp_path / "FSDD" / "recordings" / "3_theo_5.wav").write_bytes(b"noise")
    with pytest.raises(CorruptFileError, match=r"3_theo_5\.wav is neither WAV nor FLAC"):
        real_task("spoken", tmp_path)


def test_recordings_without_a_digit_or_at_all_are_refused(tmp_path: Path) -> None:
    write_spoken_folder(tmp_path)
    folder = tmp_path / "FSDD" / "recordings"
    (folder / "3_theo_5.wav").unlink()
    with pytest.raises(DataError, match=f"{folder} is not complete: class '3' has no examples"):
        real_task("spoken", tmp_path)
    for file in folder.glob("*.wav"):
        file.unlink()
    with pytest.raises(DataError, match="no recordings named like 7_jackson_32"):
        real_task("spoken", tmp_path)


# --- download


class Torchvision:
    """Stands in for torchvision's data sets: writes the files, or fails as they do."""

    def __init__(self, error: Exception | None = None) -> None:
        self.calls: list[tuple[str, bool]] = []
        self.error = error

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from torchvision import datasets

        for name in ("FashionMNIST", "MNIST", "EMNIST"):
            monkeypatch.setattr(datasets, name, self._fetcher(name))

    def _fetcher(self, name: str) -> Callable[..., None]:
        def fetch(root: str, *, train: bool, download: bool, split: str = "") -> None:
            assert download
            assert split == ("byclass" if name == "EMNIST" else "")
            self.calls.append((name, train))
            if self.error:
                raise self.error
            if name == "EMNIST":
                write_emnist(Path(root))
            else:
                write_mnist(Path(root), name, packed=False)

        return fetch


def test_download_makes_the_image_tasks_readable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torchvision, told = Torchvision(), list[str]()
    torchvision.install(monkeypatch)
    download(tmp_path, report=told.append)
    for name in ("fashion", "digits", "lower", "upper"):
        assert len(real_task(name, tmp_path)[0]) > 0
    assert torchvision.calls == [
        (name, train) for name in ("FashionMNIST", "MNIST", "EMNIST") for train in (True, False)
    ]
    assert len(told) == 4
    assert "no spoken digits" in told[3]
    assert str(tmp_path / "FSDD" / "recordings") in told[3]


def test_download_skips_what_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torchvision, told = Torchvision(), list[str]()
    torchvision.install(monkeypatch)
    write_cased(tmp_path)
    write_mnist(tmp_path, "MNIST")
    write_spoken_archive(tmp_path)
    download(tmp_path, report=told.append)
    assert {name for name, _ in torchvision.calls} == {"FashionMNIST"}
    assert told[1:] == ["'digits': already there", "'lower' and 'upper': already there"]


@pytest.mark.parametrize(
    "error", [OSError("no route to host"), RuntimeError("Error downloading: no route to host")]
)
def test_a_failing_network_is_a_data_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    Torchvision(error).install(monkeypatch)
    message = "'fashion' could not be downloaded .*no route to host.* Check the network"
    with pytest.raises(DataError, match=message):
        download(tmp_path, report=lambda _: None)


# --- the real thing, where it is


@pytest.mark.parametrize(
    ("name", "folder", "sizes", "last"),
    [
        ("fashion", "FashionMNIST", (60_000, 10_000), (6_000, 1_000)),
        ("digits", "MNIST", (60_000, 10_000), (5_949, 1_009)),
        ("lower", "LettersCased", (22_559, 4_500), (376, 75)),
        ("upper", "LettersCased", (26_134, 5_212), (387, 77)),
        ("spoken", "FSDD", (2_700, 300), (270, 30)),
    ],
)
def test_the_real_sets_have_their_known_sizes(
    name: str, folder: str, sizes: tuple[int, int], last: tuple[int, int]
) -> None:
    if not (DATA_DIR / folder).is_dir():
        pytest.skip(f"no {folder} here; set SEN_DATA_DIR to a folder that has it")
    train, test = real_task(name, DATA_DIR)
    assert (len(train), len(test)) == sizes
    assert (train.counts()[-1], test.counts()[-1]) == last
