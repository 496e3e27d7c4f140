"""The life of a network whose store is a bucket of a real S3 server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deploy.flags import free_port
from pathways.data.embedded import embedded_task
from tests.e2e.test_cli import sen
from tests.integration.s3 import S3Server, s3_server


@pytest.fixture
def server(tmp_path: Path) -> Iterator[S3Server]:
    with s3_server(tmp_path / "s3.log") as running:
        yield running


def done(home: Path, *arguments: object) -> str:
    ran = sen(home, *arguments, timeout_s=300)
    assert ran.returncode == 0, ran.stderr + ran.stdout
    return ran.stdout


def test_a_network_in_a_bucket_learns_comes_back_and_is_restored(
    server: S3Server, tmp_path: Path
) -> None:
    train, test = embedded_task("digits", train_per_class=40, test_per_class=1)
    np.savez(tmp_path / "digits.npz", x=train.x, y=train.y)
    images = [tmp_path / f"{n}.png" for n in range(5)]
    for image, x in zip(images, test.x, strict=False):
        Image.fromarray(np.squeeze(x)).save(image)

    def lives(home: Path, store: str) -> str:
        """Bring a network up, ask it, stop it; returns its answers."""
        done(home, "up", "--store", store, "--port", free_port(), "--cpus", 2)
        try:
            if home.name == "first":
                done(home, "learn", "digits", "--data", tmp_path / "digits.npz", "--epochs", 3)
                done(home, "backup", server.uri("backup"))
                found = json.loads(sen(home, "doctor", "--json").stdout)
                reached = [f["level"] for f in found if f["check"].startswith("store from ")]
                assert reached == ["ok"], found
            told = json.loads(done(home, "status", "--json"))
            assert (told["network"]["tasks"], told["expansions"]) == (1, [])
            done(home, "verify")
            return done(home, "predict", *images, "--json")
        finally:
            done(home, "down")

    first = lives(tmp_path / "first", server.uri("net"))
    assert lives(tmp_path / "again", server.uri("net")) == first
    done(tmp_path, "restore", server.uri("backup"), tmp_path / "restored")
    assert lives(tmp_path / "moved", str(tmp_path / "restored")) == first
