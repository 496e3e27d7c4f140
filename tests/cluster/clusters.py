"""A cluster that `ray up` makes of hosts, from the files that are shipped for it."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.hosts import ROOT, Host, Hosts
from tests.copies import change

BIN = Path(sys.prefix) / "bin"


class RayCluster:
    """`ray_config.yaml` and `sen.yaml` for these hosts, and the commands of docs/clusters.md."""

    def __init__(
        self,
        hosts: Hosts,
        head: Host,
        workers: Sequence[Host],
        settings: Mapping[str, Any],
        redis: tuple[str, str] | None = None,
    ) -> None:
        """settings: of the network, beside those of sen.yaml; redis: address and password of the
        one that keeps Ray's state."""
        self.hosts, self.head, self.workers = hosts, head, list(workers)
        self.url = f"http://{head.address}:8000"
        self._file = hosts.folder / "ray_config.yaml"
        self._settings = hosts.folder / "sen.yaml"
        shipped = yaml.safe_load((ROOT / "sen.yaml").read_text(encoding="utf-8"))
        self._settings.write_text(yaml.safe_dump({**shipped, **settings}), encoding="utf-8")
        self._redis = redis
        self._code = ROOT
        self.write()

    def write(self) -> None:
        """The shipped file with this cluster's addresses and key.

        Setting up a host links the Python that is here: installing 6 GB of packages on each is not
        what is tested. The code is that which `ray up` copied (see hosts._sshd_config).
        """
        given = yaml.safe_load((ROOT / "ray_config.yaml").read_text(encoding="utf-8"))
        given["provider"]["head_ip"] = self.head.address
        given["provider"]["worker_ips"] = [worker.address for worker in self.workers]
        given["max_workers"] = len(self.workers)
        given["auth"] = {"ssh_user": "root", "ssh_private_key": str(self.hosts.key)}
        given["file_mounts"]["~/sen"] = str(self._code)
        given["setup_commands"] = [f"ln -sfn {sys.prefix} ~/sen/.venv"]
        if self._redis is not None:
            _keep_in_redis(given, *self._redis)
        self._file.write_text(yaml.safe_dump(given), encoding="utf-8")

    def keys(self) -> str:
        """Make Ray's token and an API key, which this returns."""
        self.hosts.here(str(BIN / "ray"), "get-auth-token", "--generate")
        made = self.hosts.here(*f"{BIN}/sen keys add me --scope predict --scope learn".split())
        return made.split()[-1]

    def up(self, *options: str) -> None:
        """`ray up`."""
        self._ray("up", *options, "--yes", str(self._file))

    def add(self, host: Host) -> None:
        """Add a host to the running cluster."""
        self.workers.append(host)
        self.write()
        self.up("--no-restart")
        self.on_head(".venv/bin/ray get-worker-ips ~/ray_bootstrap_config.yaml")

    def change_code(self, file: str, old: str, new: str) -> None:
        """Copy code to all hosts in which one file differs, without restarting Ray."""
        self._code = self.hosts.folder / "changed"
        left_out = shutil.ignore_patterns(".*", "__pycache__", "node_modules")
        shutil.copytree(ROOT, self._code, ignore=left_out)
        change(self._code / file, old, new)
        self.write()
        self.up("--no-restart")
        self.on_head(".venv/bin/ray rsync-up --all-nodes ~/ray_bootstrap_config.yaml")

    def down(self) -> None:
        """`ray down`."""
        self._ray("down", "--yes", str(self._file))

    def on_head(self, command: str) -> str:
        """`ray exec` in the copied folder; returns what was printed."""
        return self._ray("exec", str(self._file), f"cd ~/sen && {command}")

    def sen(self, *words: str) -> str:
        """A command of `sen` on the head."""
        return self.on_head(f".venv/bin/sen {shlex.join(words)}")

    def sen_up(self) -> str:
        """`sen up` on the head, with the settings of this cluster."""
        return self.sen("up", "--address", "auto", "--config", str(self._settings))

    def _ray(self, command: str, *words: str) -> str:
        return self.hosts.here(str(BIN / "ray"), command, *words)


def _keep_in_redis(given: dict[str, Any], address: str, password: str) -> None:
    """Add to the start of the head what docs/clusters.md says."""
    commands = given["head_start_ray_commands"]
    commands[-1] = (
        commands[-1]
        .replace("RAY_AUTH_MODE", f"RAY_REDIS_ADDRESS={address} RAY_AUTH_MODE")
        .replace("--head", f"--head --redis-password={password}")
    )
