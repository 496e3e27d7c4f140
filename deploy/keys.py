"""API keys: made, kept as hashes in a file, and recognised.

A key looks like `sen_3f9a12bc_<secret>`: a public id, by which its line is found, and 256 random
bits. A file (or SEN_API_KEYS) has one line a key: name, scopes, id, SHA-256 of the whole key.

Slow hashes (scrypt, Argon2) protect secrets that people choose, since those can be guessed. 256
random bits cannot be, however fast the hash is, so one SHA-256 is as safe here and costs a
microsecond where every request pays it. It is compared in constant time.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cluster.errors import ConfigError, SenError

PREDICT, LEARN = "predict", "learn"
SCOPES = (PREDICT, LEARN)
ENVIRONMENT = "SEN_API_KEYS"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_ID = re.compile(r"[0-9a-f]{8}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_HEAD = "# API keys of SEN: name, scopes, id, SHA-256 of the key. `sen keys` writes this file.\n"


@dataclass(frozen=True, kw_only=True)
class Key:
    """What is kept of a key."""

    name: str
    scopes: tuple[str, ...]
    id: str
    """Public part of the key, eight hexadecimal digits."""
    sha256: str
    """Of the whole key, hexadecimal."""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ConfigError(
                f"{self.name!r} is no name for a key; use letters, digits, '.', '_' and '-'"
            )
        if unknown := set(self.scopes) - set(SCOPES):
            raise ConfigError(
                f"key {self.name} has unknown scopes {', '.join(sorted(unknown))}; known are "
                f"{', '.join(SCOPES)}"
            )
        if not self.scopes:
            raise ConfigError(f"key {self.name} has no scope; give one of {', '.join(SCOPES)}")
        if not (_ID.fullmatch(self.id) and _DIGEST.fullmatch(self.sha256)):
            raise ConfigError(f"the line of key {self.name} is damaged; remove it and add it again")

    @property
    def line(self) -> str:
        return f"{self.name} {','.join(self.scopes)} {self.id} {self.sha256}"


def make_key(name: str, scopes: Iterable[str]) -> tuple[Key, str]:
    """A new key, as it is kept and as its owner has to send it. Raises ConfigError."""
    id = secrets.token_hex(4)
    secret = f"sen_{id}_{secrets.token_urlsafe(32)}"
    once = tuple(dict.fromkeys(scopes))
    return Key(name=name, scopes=once, id=id, sha256=_digest(secret.encode())), secret


def find(keys: Mapping[str, Key], given: bytes) -> Key | None:
    """The key (of `keys` by id) that was sent, or None."""
    key = keys.get(given[4:12].decode("latin-1"))
    if key is None or not hmac.compare_digest(_digest(given), key.sha256):
        return None
    return key


def _digest(given: bytes) -> str:
    return hashlib.sha256(given).hexdigest()


def parse_keys(text: str, where: str) -> dict[str, Key]:
    """Keys by id, from lines; raises ConfigError naming `where`."""
    keys: dict[str, Key] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split("#")[0].split()
        if not words:
            continue
        try:
            name, scopes, id, sha256 = words
        except ValueError:
            raise ConfigError(
                f"line {number} of {where} must be: name scopes id sha256; got {len(words)} words"
            ) from None
        keys[id] = Key(name=name, scopes=tuple(scopes.split(",")), id=id, sha256=sha256)
    return keys


@dataclass(frozen=True, kw_only=True)
class KeySource:
    """Where a server has its keys from."""

    file: str = ""
    """Path, or empty for none; a file that does not exist holds no key."""
    text: str = ""
    """Further lines, which cannot change while the server runs."""

    def read(self) -> dict[str, Key]:
        """All keys by id; raises ConfigError for lines that are none, OSError for the file."""
        path = Path(self.file)
        lines = path.read_text(encoding="utf-8") if self.file and path.exists() else ""
        return {**parse_keys(self.text, ENVIRONMENT), **parse_keys(lines, self.file)}

    def stamp(self) -> tuple[int, ...]:
        """Changes whenever the file does; raises OSError."""
        if not self.file:
            return ()
        try:
            found = Path(self.file).stat()
        except FileNotFoundError:
            return ()
        return (found.st_mtime_ns, found.st_size, found.st_ino)


def read_file(path: Path) -> list[Key]:
    """The keys of a file, in its order; raises ConfigError."""
    try:
        return list(KeySource(file=str(path)).read().values())
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the keys in {path}: {error}") from error


def add_key(path: Path, name: str, scopes: Iterable[str]) -> str:
    """Make a key and write it into a file; returns what its owner has to send."""
    keys = read_file(path)
    if any(key.name == name for key in keys):
        raise SenError(f"there is a key {name!r} already; remove it or choose another name")
    key, secret = make_key(name, scopes)
    _write(path, [*keys, key])
    return secret


def remove_key(path: Path, name: str) -> None:
    """Remove a key from a file; raises SenError if there is none of that name."""
    keys = read_file(path)
    left = [key for key in keys if key.name != name]
    if len(left) == len(keys):
        known = ", ".join(key.name for key in keys) or "none"
        raise SenError(f"there is no key {name!r} in {path}; keys: {known}")
    _write(path, left)


def _write(path: Path, keys: Iterable[Key]) -> None:
    """Replace the file as a whole: replicas may read it at any moment."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(
        "w", dir=path.parent, prefix=f"{path.name}.", delete=False, encoding="utf-8"
    ) as file:  # readable by its owner only
        file.write(_HEAD + "".join(f"{key.line}\n" for key in keys))
    Path(file.name).replace(path)
