"""Hostile requests to the served network: a 4xx with a reason, and a replica that lives on."""

from __future__ import annotations

import io
import json
import random
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import psutil
import pytest
import soundfile
from PIL import Image

from cluster.lifecycle import load_running
from tests.integration.conftest import Served
from tests.integration.test_http import png

_MEMORY_BYTES = 1 << 30
"""What one replica may take more for a moment, whatever is sent to it."""

V2 = "/v2/models/sen/infer"


def replica() -> psutil.Process:
    """The process that answers."""
    running = load_running()
    assert running is not None and running.head_pid is not None
    below = psutil.Process(running.head_pid).children(recursive=True)
    (found,) = (p for p in below if p.name().startswith("ray::ServeRepl"))
    return found


def memory(process: psutil.Process, peak: bool) -> int:
    """Resident bytes, or the most there ever were."""
    field = "VmHWM:" if peak else "VmRSS:"
    with open(f"/proc/{process.pid}/status", encoding="utf-8") as status:  # noqa: PTH123
        return next(int(line.split()[1]) << 10 for line in status if line.startswith(field))


@pytest.fixture(scope="module", autouse=True)
def lives_on(served: Served) -> Iterator[None]:
    """After all that, the same process answers, and it never took much memory."""
    before = replica()
    resident = memory(before, peak=False)
    yield
    assert served.http.get("/healthz").status_code == 200
    assert replica().pid == before.pid
    assert memory(before, peak=True) - resident < _MEMORY_BYTES


def refused(reply: httpx.Response) -> str:
    """The reason; and it is the sender's fault, not ours."""
    assert 400 <= reply.status_code < 500, f"{reply.status_code}: {reply.text[:300]}"
    said = reply.json()
    reason = said["error"] if reply.request.url.path.startswith("/v2") else said["detail"]
    assert len(reason) > 10
    return str(reason)


def send(served: Served, body: bytes, kind: str, path: str = "/v1/predict") -> httpx.Response:
    return served.http.post(path, content=body, headers={"content-type": kind})


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def made_png(width: int, height: int, *chunks: bytes) -> bytes:
    """A PNG file of any size, with chunks as they are."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + chunk(b"IEND", b"")


def saved(mode: str, size: int, kind: str) -> bytes:
    out = io.BytesIO()
    Image.new(mode, (size, size)).save(out, kind)
    return out.getvalue()


def sound(samples: int, rate_hz: int, kind: str) -> bytes:
    out = io.BytesIO()
    soundfile.write(out, np.zeros(samples, np.int16), rate_hz, format=kind)
    return out.getvalue()


def zipped(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in files.items():
            archive.writestr(name, body)
    return out.getvalue()


GOOD = saved("L", 28, "PNG")
ZEROS = zlib.compress(bytes(200_000_000), 1)

FILES = {
    "pixels without end": made_png(2**31 - 1, 2**31 - 1, chunk(b"IDAT", ZEROS[:1000])),
    "more pixels than allowed": made_png(60_000, 60_000, chunk(b"IDAT", ZEROS)),
    "no pixels": made_png(0, 28, chunk(b"IDAT", ZEROS[:1000])),
    "a profile that unpacks hugely": made_png(8, 8, chunk(b"iCCP", b"k\0\0" + ZEROS)),
    "texts that unpack hugely": made_png(8, 8, *[chunk(b"zTXt", b"k\0\0" + ZEROS)] * 3),
    "cut off": GOOD[: len(GOOD) // 2],
    "an archive": zipped({"a.png": GOOD}),
    "a page": b"<html><script>alert(1)</script></html>",
    "a program for printers": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nquit\n",
    "a drawing": b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>",
    "a sound without end": sound(60_000_000, 192_000, "FLAC"),
    "a sound of no known rate": sound(100, 1, "WAV"),
    "a sound that is cut off": sound(8000, 8000, "WAV")[:-100],
    "a sound in name only": b"RIFF\xff\xff\xff\xffWAVEfmt ",
    "both a sound and a picture": b"RIFF\x20\0\0\0WEBP" + sound(100, 8000, "WAV"),
    "a wide strip": made_png(60_000, 1, chunk(b"IDAT", ZEROS)),
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("kind", ["image/png", "audio/wav"])
def test_files(served: Served, name: str, kind: str) -> None:
    refused(send(served, FILES[name], kind))


def test_many_pictures_that_unpack_hugely(served: Served) -> None:
    bomb = saved("RGB", 5000, "PNG")
    reply = served.http.post("/v1/predict", files=[("file", ("a.png", bomb))] * 30)
    assert "max_decoded_values" in refused(reply)


def test_damaged_files_never_break_the_server(served: Served) -> None:
    rng = random.Random(0)
    kinds = ("PNG", "GIF", "BMP", "TIFF", "WEBP", "JPEG")
    sources = [saved("RGB", 40, kind) for kind in kinds] + [sound(900, 8000, "FLAC")]
    for turn in range(140):
        body = bytearray(sources[turn % len(sources)])
        for _ in range(rng.randint(1, 12)):
            body[rng.randrange(len(body))] = rng.randrange(256)
        assert send(served, bytes(body), "image/png").status_code in (200, 413, 422)


BODIES = {
    "deep": b"[" * 3_000_000,
    "deep objects": b'{"inputs":' * 300_000,
    "not a number": b'{"inputs": [[[NaN, Infinity]]]}',
    "no text": bytes(range(256)),
    "half a text": b'{"inputs": [[[1, 2]',
    "lone surrogate": b'{"inputs": ["\\ud800"]}',
    "uneven": b'{"inputs": [[[1, 2], [3]]]}',
    "empty lists": b'{"inputs": [' + b"[]," * 1_200_000 + b"[]]}",
    "no numbers": b'{"inputs": [{"a": [1]}, "x", null, true]}',
    "many names": json.dumps(dict.fromkeys(map(str, range(250_000)))).encode(),
    "huge numbers": b'{"inputs": [[[' + b"9" * 5000 + b"]]]}",
    "huge exponents": b'{"inputs": [[[1e400, -1e400]]]}',
    "many dimensions": b'{"inputs": ' + b"[" * 90 + b"1" + b"]" * 90 + b"}",
    "too many inputs": b'{"inputs": [' + b"[[1]]," * 10_000 + b"[[1]]]}",
}


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("path", ["/v1/predict", "/v1/learn", V2])
def test_json(served: Served, name: str, path: str) -> None:
    refused(send(served, BODIES[name], "application/json", path))


@pytest.mark.parametrize("path", ["/v1/predict", "/v1/learn", V2])
def test_wrong_or_no_content_type_and_packed_bodies(served: Served, path: str) -> None:
    for kind in ("", "text/plain", "application/xml", "image", "multipart/form-data"):
        refused(send(served, GOOD, kind, path))
    packed = {"content-type": "application/json", "content-encoding": "gzip"}
    reply = served.http.post(path, content=zlib.compress(bytes(3_000_000)), headers=packed)
    assert "not unpacked" in refused(reply)


def test_binary_tensors(served: Served) -> None:
    rng = random.Random(0)
    lengths = [-(2**63), -1, 0, 1, 28, 2**31, 2**32, 2**62, 2**63, 2**64]
    for _ in range(150):
        shape = [rng.choice(lengths) for _ in range(rng.randint(1, 5))]
        datatype = rng.choice(["UINT8", "FP32", "FP64", "INT64", "BYTES", "BF16", "BOOL", "X"])
        tail = rng.randbytes(rng.choice([0, 1, 783, 784, 3136]))
        said = rng.choice([len(tail), len(tail) + 1, -1, 2**40])
        refused(v2(served, shape, datatype, tail, said, rng.choice([0, 0, -5, 7, 10**15])))


def v2(
    served: Served, shape: list[int], datatype: str, tail: bytes, said: int, shift: int
) -> httpx.Response:
    about: dict[str, Any] = {"name": "input", "shape": shape, "datatype": datatype}
    head = json.dumps({"inputs": [{**about, "parameters": {"binary_data_size": said}}]}).encode()
    length = {"inference-header-content-length": str(len(head) + shift)}
    return served.http.post(V2, content=head + tail, headers=length)


def test_uploads(served: Served) -> None:
    two = {"a/0.png": GOOD, "b/0.png": png(np.full((28, 28), 9, np.uint8))}
    inner = zipped(two)
    for name, body in {
        "bomb.zip": zipped({**two, "a/1.png": bytes(30_000_000)}),
        "nested.zip": zipped({**two, "a/inner.zip": inner}),
        "climbing.zip": zipped({**two, "../../a/1.png": GOOD}),
        "absolute.zip": zipped({**two, "/tmp/1.png": GOOD}),
        "empty.zip": zipped({}),
        "cut.zip": inner[:-9],
        "lie.npz": inner,
        "noise.parquet": random.Random(0).randbytes(2000),
        "bomb.npz": zipped({"x.npy": bytes(30_000_000), "y.npy": b""}),
        "pictures.zip": zipped(
            {f"{c}/{n}.png": FILES["more pixels than allowed"] for c in "ab" for n in "12"}
        ),
    }.items():
        reply = served.http.post("/v1/learn", data={"task": "bad"}, files={"file": (name, body)})
        assert "/tmp/sen" not in refused(reply)
    assert "bad" not in [e["task"] for e in served.http.get("/v1/expansions").json()["expansions"]]
