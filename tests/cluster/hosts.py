"""Hosts for tests: network namespaces of this machine that are joined by a bridge, with an SSH
server in each.

A host has what Ray tells machines apart by: addresses, processes, a home and temporary files of its
own. Needs root, and the programs of `missing`.
"""

from __future__ import annotations

import itertools
import os
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

import psutil

ROOT = Path(__file__).parents[2]
_PROGRAMS = ("ip", "mount", "rsync", "setpriv", "ssh", "ssh-keygen", "sshd", "unshare")
_SHOWN = (ROOT, Path(sys.prefix).resolve(), Path(sys.base_prefix).resolve())
"""What hosts see of this machine, even where it lies below a directory that they have themselves:
the code, and the Python that it runs on."""
_START_S, _END_S = 60.0, 10.0
_NUMBERS = itertools.count()  # of networks of this process


def missing() -> str:
    """Why there can be no hosts here; empty if there can."""
    if os.getuid() != 0:
        return "hosts are network namespaces, which only root can make"
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    if absent := [program for program in _PROGRAMS if shutil.which(program, path=path) is None]:
        return f"not installed: {', '.join(absent)} (`make test-deps`)"
    name = f"sen-{os.getpid()}-probe"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True)
    if made.returncode == 0:
        run("ip", "netns", "del", name)
    return made.stderr.strip()


def run(*command: str) -> str:
    """What a command printed; raises an AssertionError that shows it if it fails."""
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, f"{shlex.join(command)}\n{done.stdout}{done.stderr}"
    return done.stdout


def until(condition: Callable[[], object], timeout_s: float, what: str) -> float:
    """Wait for it; returns how many seconds it took. Raises an AssertionError after `timeout_s`."""
    started = time.monotonic()
    late = False
    while not condition():
        assert not late, f"{what}: not within {timeout_s:.0f} s"
        time.sleep(0.2)
        # One look after the time is up: all of this machine may have stood still meanwhile.
        late = time.monotonic() - started > timeout_s
    return time.monotonic() - started


def _free_net(first: int) -> str:
    """The first three numbers of addresses of which this machine has none: a run that was killed
    leaves its bridge behind, and what is sent to a second one of the same net goes to the first."""
    taken = {each.address for its in psutil.net_if_addrs().values() for each in its}
    nets = (f"10.200.{(first + number) % 250}" for number in range(250))
    return next(net for net in nets if f"{net}.1" not in taken)


class Hosts:
    """A network of hosts, and what they share. On exit all of it is gone."""

    def __init__(self) -> None:
        number = next(_NUMBERS)
        self._prefix = f"sen-{os.getpid()}-{number}"
        self._bridge = f"sen{os.getpid()}n{number}"
        self._net = _free_net(os.getpid() + number)
        self.address = f"{self._net}.1"
        """Of this machine, as the hosts see it."""
        self._hosts: list[Host] = []
        self._undo = ExitStack()

    def __enter__(self) -> Hosts:
        with ExitStack() as undo:
            # Not below the directory for temporary files, of which every host has one of its own.
            self.folder = Path(tempfile.mkdtemp(prefix="sen-hosts-", dir="/var/tmp"))
            undo.callback(shutil.rmtree, self.folder)
            for name in ("home", "store"):
                (self.folder / name).mkdir()
            self.key = self.folder / "ssh_key"
            run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.key))
            run("ip", "link", "add", self._bridge, "type", "bridge")
            undo.callback(run, "ip", "link", "del", self._bridge)
            run("ip", "address", "add", f"{self.address}/24", "dev", self._bridge)
            run("ip", "link", "set", self._bridge, "up")
            self._undo = undo.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._undo.__exit__(kind, error, trace)

    @property
    def home(self) -> Path:
        """The home of the user on every host: the path is the same, what is in it is not."""
        return self.folder / "home"

    @property
    def store(self) -> Path:
        """A directory that all hosts share, `~/sen-store`, as if it came by NFS."""
        return self.folder / "store"

    def add(self, name: str) -> Host:
        """Start a host."""
        address = f"{self._net}.{10 + len(self._hosts)}"
        host = Host(f"{self._prefix}-{name}", address, f"v{len(self._hosts)}{self._bridge}")
        self._hosts.append(host)
        self._undo.callback(host.end)
        host.start(self, self._bridge)
        return host

    def here(self, *command: str, timeout_s: float = 300.0) -> str:
        """Run a command on this machine as its user would, with a home of its own; returns what it
        printed. Raises an AssertionError that shows it if it fails."""
        isolated = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
        done = subprocess.run(
            [*isolated, "sh", "-euc", self.private("outside"), "sh", *command],
            cwd=ROOT,
            env=environment(self),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout_s,
        )
        assert done.returncode == 0, f"{shlex.join(command)}\n{done.stdout[-6000:]}"
        return done.stdout

    def private(self, name: str) -> str:
        """A script that gives a process files of its own and then becomes the command it is given.

        For a mount namespace that has just been made: nobody else sees what it mounts.
        """
        own = self.folder / name
        for part in ("home/sen-store", "tmp", "shown"):
            (own / part).mkdir(parents=True, exist_ok=True)
        (own / "tmp").chmod(0o1777)
        account = f"root:*:0:0:root:{self.home}:/bin/bash\n"
        (own / "passwd").write_text(f"{account}sshd:*:100:65534::/run/sshd:/usr/sbin/nologin\n")
        # As Debian has it: a machine's name is no address that others reach it at.
        (own / "hosts").write_text(f"127.0.0.1 localhost\n127.0.1.1 {name}\n")
        (own / "shadow").write_text("root:*:20000:0:99999:7:::\n")
        hidden = [path for path in _SHOWN if path.is_relative_to("/tmp")]
        lines = [
            f"mount --bind {self.store} {own}/home/sen-store",
            f"mount --rbind {own}/home {self.home}",
            f"mount --bind {own}/passwd /etc/passwd",
            f"mount --bind {own}/shadow /etc/shadow",
            f"mount --bind {own}/hosts /etc/hosts",
            "mount -t tmpfs tmpfs /dev/shm",
            *(f"mkdir -p {own}/shown{p} && mount --bind {p} {own}/shown{p}" for p in hidden),
            f"mount --bind {own}/tmp /tmp",
            *(f"mkdir -p {p} && mount --bind {own}/shown{p} {p}" for p in hidden),
            'exec "$@"',
        ]
        return "\n".join(lines)


class Host:
    """A machine, as far as Ray and SSH can tell."""

    def __init__(self, name: str, address: str, link: str) -> None:
        self.name = name
        self.address = address
        self._link = link  # the bridge's end of its cable
        self._undo = ExitStack()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, hosts: Hosts, bridge: str) -> None:
        """Plug it in and boot it: a process namespace whose first process is the SSH server."""
        self._undo.callback(run, "ip", "netns", "del", self.name)
        run("ip", "netns", "add", self.name)
        run(*f"ip link add {self._link} type veth peer name eth0 netns {self.name}".split())
        # Its network may outlive its processes for a while: the cable shall not.
        self._undo.callback(run, "ip", "link", "del", self._link)
        run("ip", "link", "set", self._link, "master", bridge, "up")
        for what in (
            "link set lo up",
            f"address add {self.address}/24 dev eth0",
            "link set eth0 up",
            f"route add default via {hosts.address}",  # Ray finds out its address by it
        ):
            run("ip", "-n", self.name, *what.split())
        folder = hosts.folder / self.name
        script = f"mount -t tmpfs tmpfs /run && mkdir /run/sshd && hostname {self.name}\n"
        # As docs/clusters.md advises: what is sent to a lost host fails within half a minute.
        script += "echo 6 > /proc/sys/net/ipv4/tcp_retries2\n"
        script += hosts.private(self.name)
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "host_key"))
        (folder / "sshd_config").write_text(_sshd_config(folder, hosts))
        sshd = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/usr/bin")
        assert sshd is not None
        # All of it ends with its first process, and that one with this.
        namespaces = "--mount --uts --ipc --pid --fork --kill-child --mount-proc"
        inside = ["setpriv", "--pdeathsig", "KILL", "ip", "netns", "exec", self.name, "unshare"]
        serve = [sshd, "-D", "-e", "-f", str(folder / "sshd_config")]
        self._process = subprocess.Popen(
            [*inside, *namespaces.split(), "sh", "-euc", script, "sh", *serve],
            stdin=subprocess.DEVNULL,
            stdout=(folder / "log").open("wb"),
            stderr=subprocess.STDOUT,
        )
        self._undo.callback(self._power_off)
        try:
            until(self._answers, _START_S, f"{self.name} answers on its SSH port")
        except AssertionError as error:
            # What it printed goes with the hosts' folder; what it still does tells where it hangs.
            running = "\n".join(self.titles())
            error.add_note(f"it printed: {(folder / 'log').read_text()}\nit runs:\n{running}")
            raise

    def _answers(self) -> bool:
        assert self._process is not None and self._process.poll() is None, "the host ended"
        try:
            socket.create_connection((self.address, 22), timeout=1).close()
        except OSError:
            return False
        return True

    def _power_off(self) -> None:
        assert self._process is not None
        family = self.processes()
        self._process.kill()
        self._process.wait()
        psutil.wait_procs(family, timeout=_END_S)

    def end(self) -> None:
        """Switch it off at once and take it out of the network."""
        self._undo.close()

    def cut(self) -> None:
        """Pull its cable."""
        run("ip", "link", "set", self._link, "down")

    def join(self) -> None:
        """Plug the cable in again."""
        run("ip", "link", "set", self._link, "up")

    def processes(self) -> list[psutil.Process]:
        """What runs on it, the SSH server included."""
        if self._process is None or self._process.poll() is not None:
            return []
        return psutil.Process(self._process.pid).children(recursive=True)

    def titles(self) -> list[str]:
        """What each of its processes is called."""
        found = []
        for process in self.processes():
            try:
                found.append(" ".join(process.cmdline()))
            except psutil.NoSuchProcess:
                continue
        return found

    def kill(self, title: str) -> int:
        """kill -9 of each process whose title has this in it; returns how many there were."""
        killed = 0
        for process in self.processes():
            try:
                if title in " ".join(process.cmdline()):
                    process.kill()
                    killed += 1
            except psutil.NoSuchProcess:
                continue
        return killed


def _sshd_config(folder: Path, hosts: Hosts) -> str:
    return f"""
HostKey {folder}/host_key
AuthorizedKeysFile {hosts.key}.pub
PermitRootLogin prohibit-password
PasswordAuthentication no
StrictModes no
UsePAM no
PidFile none
MaxStartups 100
# Python finds the code that was copied to the host before the one it was installed from.
# Ray's workers are no less urgent than what else runs on this machine.
SetEnv PYTHONPATH={hosts.home}/sen RAY_worker_niceness=0
"""


def environment(hosts: Hosts) -> dict[str, str]:
    """Of commands on this machine: none of the settings of another Ray or network."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("RAY_", "SEN_"))}
    plain = {"TERM": "dumb", "COLUMNS": "200"}  # SSH takes the terminal's kind along
    return {**kept, **plain, "HOME": str(hosts.home), "PYTHONPATH": str(ROOT)}
