"""Uploads of examples to learn from, and a server that takes them."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import numpy as np
import torch

from pathways.weights import pack
from tests.unit.networks import LearnedNetwork, LocalSlots
from tests.unit.serving import Serving, png, serving

X = np.stack([np.full((8, 8), value, np.uint8) for value in (10, 200)] * 2)
FILES = {f"{label}/{n}.png": png(X[n]) for n, label in enumerate("abab")}

Files = list[tuple[str, tuple[str, bytes]]]

ROWS = "a,b,price\n" + "".join(f"{n},{n % 3},{n * 2.5}\n" for n in range(20))
"""A CSV file."""

WEIGHTS = pack({"layer.weight": torch.zeros(2, 2)})
OWN = {"family": "tests.unit.own_modules:Returns", "family_options": {"what": "hidden"}}


@contextmanager
def learning_server(network: LearnedNetwork) -> Iterator[Serving]:
    """A server that takes uploads up to a megabyte, and modules of one package."""
    allowed = ("tests.unit.own_modules",)
    with serving(LocalSlots(network), modules=allowed, max_upload_bytes=1_000_000) as made:
        yield made


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, body in files.items():
            archive.writestr(name, body)
    return out.getvalue()


def npz(**arrays: Any) -> bytes:
    out = io.BytesIO()
    np.savez(out, **arrays)
    return out.getvalue()


NPZ = npz(x=X, y=np.array([0, 1, 0, 1]))


def files(named: dict[str, bytes]) -> Files:
    return [("file", (name, body)) for name, body in named.items()]


def upload(sen: Serving, sent: Files, task: str = "shapes", **fields: str) -> httpx.Response:
    return sen.http.post("/v1/learn", data={"task": task, **fields}, files=sent)
