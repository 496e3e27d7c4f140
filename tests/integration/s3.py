"""A real S3 server on loopback, in a process of its own that can be killed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import boto3
import pytest

from deploy.flags import free_port

BUCKET = "sen-test"
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1"}


class S3Server:
    """moto's server: what it holds is in its memory, so a killed one comes back empty."""

    def __init__(self, log: Path) -> None:
        self.port = free_port()
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def uri(self, prefix: str) -> str:
        """What a user writes for a store on this server."""
        server = f"endpoint_override=http://127.0.0.1:{self.port}&scheme=http"
        return f"s3://{BUCKET}/{prefix}?{server}&region=us-east-1"

    def start(self) -> None:
        """Start it, with an empty bucket."""
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]
        with self._log.open("ab") as out:
            self._process = subprocess.Popen(command, stdout=out, stderr=out)
        end = time.monotonic() + 30
        while not self._answers():
            assert time.monotonic() < end, self._log.read_text()
            time.sleep(0.05)
        self.client().create_bucket(Bucket=BUCKET)

    def client(self) -> boto3.client:
        """Another library's view of the same server."""
        return boto3.client("s3", endpoint_url=f"http://127.0.0.1:{self.port}")

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def pause(self) -> None:
        """From now on it takes connections and says nothing, as a machine that hangs."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Go on where it was paused."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """End it at once, as power does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@contextmanager
def s3_server(log: Path) -> Iterator[S3Server]:
    """A running server, with keys for it in this process's environment."""
    server = S3Server(log)
    with pytest.MonkeyPatch.context() as patched:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patched.delenv(name)
        for name, value in KEYS.items():
            patched.setenv(name, value)
        server.start()
        try:
            yield server
        finally:
            server.kill()
