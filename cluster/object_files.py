"""Files of an object store, through `obstore` (the Rust crate `object_store`).

An object appears when the server has all of it, so nothing needs to be written aside. That a name
is written once is the server's doing: a conditional write (`If-None-Match: *` on S3, generation 0
on GCS) of which exactly one succeeds, however many come at the same moment. pyarrow's file systems
have none.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import GCSStore, ObjectStore, S3Store

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig

_AT_ONCE = 8  # objects that are written at the same time
_PART = 1000  # objects that are listed with one request
_WRITER = "sen-writer"
_SETTINGS = ("endpoint_override", "region", "scheme")
"""What a URI may say after `?`, as pyarrow spells it: Ray Train reads the same URI."""
_CLIENT: ClientConfig = {
    "connect_timeout": timedelta(seconds=5),
    "read_timeout": timedelta(minutes=2),
    "timeout": timedelta(minutes=10),
}
_RETRY: RetryConfig = {"max_retries": 20, "retry_timeout": timedelta(seconds=15)}
SCHEMES = ("s3", "gs")


class ObjectFiles:
    """Objects whose keys begin with a prefix; see `files.Files`."""

    def __init__(self, store: ObjectStore, root: str) -> None:
        """root: what paths in messages begin with."""
        self._store = store
        self._root = root

    def path(self, name: str) -> str:
        return f"{self._root}/{name}" if name else self._root

    def exists(self, name: str) -> bool:
        with _as_os_error():
            try:
                obstore.head(self._store, name)
            except FileNotFoundError:
                return any(obstore.list(self._store, name, chunk_size=1))
            return True

    def names(self, directory: str) -> list[str]:
        with _as_os_error():
            found = obstore.list_with_delimiter(self._store, directory or None)
        paths = [*found["common_prefixes"], *(meta["path"] for meta in found["objects"])]
        return [path.rpartition("/")[2] for path in paths]

    def walk(self, prefix: str | None = None) -> Iterator[tuple[str, int]]:
        with _as_os_error():
            for part in obstore.list(self._store, prefix, chunk_size=_PART):
                for meta in part:
                    yield meta["path"], meta["size"]

    def read(self, name: str) -> bytes:
        with _as_os_error():
            return obstore.get(self._store, name).bytes().to_bytes()

    def put(self, files: Mapping[str, bytes]) -> list[str]:
        with ThreadPoolExecutor(min(_AT_ONCE, len(files))) as threads:
            new = list(threads.map(self._put, files, files.values()))
        return [name for name, was_new in zip(files, new, strict=True) if not was_new]

    def _put(self, name: str, body: bytes) -> bool:
        """Write an object if there is none; returns whether there was none."""
        writer = uuid.uuid4().hex
        with _as_os_error():
            try:
                obstore.put(
                    self._store,
                    name,
                    body,
                    mode="create",
                    use_multipart=False,
                    attributes={_WRITER: writer},
                )
            except AlreadyExistsError:
                # A write whose answer was lost is sent again: then what is there is our own.
                return obstore.get(self._store, name).attributes.get(_WRITER) == writer
            return True

    def delete(self, name: str) -> None:
        with _as_os_error():
            obstore.delete(self._store, name)

    def delete_directory(self, name: str) -> None:
        names = [path for path, _ in self.walk(name)]
        if names:
            with _as_os_error():
                obstore.delete(self._store, names)


@contextmanager
def _as_os_error() -> Iterator[None]:
    """What a server refused, as the file system's calls would say it."""
    try:
        yield
    except BaseError as error:
        raise OSError(_short(error)) from error


def _short(error: BaseError) -> str:
    """The reason, with S3's word for it, without the debugging output that follows."""
    text = str(error)
    code = re.search(r"<Code>(\w+)</Code>", text)
    reason = text.partition("\n")[0].partition("<?xml")[0].strip()
    return f"{reason} {code[1]}" if code else reason


def open_objects(uri: str) -> ObjectFiles:
    """The objects at s3://BUCKET/PREFIX or gs://BUCKET/PREFIX; raises ValueError."""
    parts = urlsplit(uri)
    if parts.username or parts.password:
        raise ValueError("keys do not belong in a URI, which is shown; set AWS_ACCESS_KEY_ID …")
    if not parts.netloc:
        raise ValueError(f"it names no bucket; write {parts.scheme}://BUCKET/PREFIX")
    settings = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    known = _SETTINGS if parts.scheme == "s3" else ()
    if unknown := settings.keys() - set(known):
        raise ValueError(f"unknown {', '.join(sorted(unknown))}; known: {', '.join(known)}")
    prefix = parts.path.strip("/")
    make = _s3 if parts.scheme == "s3" else _gcs
    root = f"{parts.scheme}://{parts.netloc}/{prefix}".rstrip("/")
    return ObjectFiles(make(parts.netloc, prefix or None, settings), root)


def _s3(bucket: str, prefix: str | None, settings: Mapping[str, str]) -> ObjectStore:
    given: dict[str, Any] = {}
    if region := settings.get("region"):
        given["region"] = region
    if endpoint := settings.get("endpoint_override"):
        scheme = settings.get("scheme", "https")
        given["endpoint"] = endpoint if "://" in endpoint else f"{scheme}://{endpoint}"
    plain = given.get("endpoint", "").startswith("http://")
    return S3Store(
        bucket,
        prefix=prefix,
        client_options={**_CLIENT, "allow_http": plain},
        retry_config=_RETRY,
        credential_provider=_aws_credentials(),
        **given,
    )


def _aws_credentials() -> Any:
    """The keys that boto3 finds, in profiles too; without it those of the environment or role."""
    if find_spec("boto3") is None:
        return None
    import boto3
    from obstore.auth.boto3 import Boto3CredentialProvider

    session = boto3.Session()
    return Boto3CredentialProvider(session) if session.get_credentials() else None


def _gcs(bucket: str, prefix: str | None, settings: Mapping[str, str]) -> ObjectStore:
    return GCSStore(bucket, prefix=prefix, client_options=_CLIENT, retry_config=_RETRY)
