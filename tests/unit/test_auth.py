"""API keys: how they are kept, and who may ask for what."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cluster.config import ServeConfig
from cluster.errors import ConfigError, SenError
from deploy.auth import Keyring, check_exposed, is_loopback, needed
from deploy.cli import app as cli
from deploy.keys import KeySource, add_key, find, make_key, parse_keys, read_file, remove_key
from tests.unit.fakes import FakeAnswering
from tests.unit.guarded import ONE, guarded_app, problem, request


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sen" / "keys"


# --- keys ---------------------------------------------------------------------------------


def test_a_key_is_found_by_what_its_owner_sends() -> None:
    key, secret = make_key("camera", ["predict"])
    other, _ = make_key("other", ["learn"])
    keys = {key.id: key, other.id: other}
    assert find(keys, secret.encode()) is key
    assert find(keys, secret[:-1].encode()) is None
    assert find(keys, f"sen_{other.id}_{secret[13:]}".encode()) is None
    assert find(keys, b"") is None
    assert find(keys, b"\xff" * 60) is None


def test_a_file_keeps_hashes_that_only_its_owner_reads(path: Path) -> None:
    secret = add_key(path, "camera", ["predict"])
    text = path.read_text()
    assert secret not in text
    assert secret[13:] not in text
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [p.name for p in path.parent.iterdir()] == ["keys"]
    (key,) = read_file(path)
    assert (key.name, key.scopes) == ("camera", ("predict",))


def test_keys_are_added_and_removed_by_name(path: Path) -> None:
    add_key(path, "camera", ["predict"])
    add_key(path, "teacher", ["learn", "predict"])
    assert [key.scopes for key in read_file(path)] == [("predict",), ("learn", "predict")]
    with pytest.raises(SenError, match="there is a key 'camera' already"):
        add_key(path, "camera", ["learn"])
    remove_key(path, "camera")
    assert [key.name for key in read_file(path)] == ["teacher"]
    with pytest.raises(SenError, match=r"there is no key 'camera' in .*; keys: teacher"):
        remove_key(path, "camera")


@pytest.mark.parametrize(
    ("name", "scopes", "message"),
    [
        ("two words", ["predict"], "'two words' is no name for a key"),
        ("#x", ["predict"], "is no name"),
        ("x", ["admin"], "unknown scopes admin; known are predict, learn"),
        ("x", [], "has no scope"),
    ],
)
def test_unusable_names_and_scopes_are_refused(
    path: Path, name: str, scopes: list[str], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        add_key(path, name, scopes)
    assert not path.exists()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("camera predict", "line 2 of here must be: name scopes id sha256; got 2 words"),
        ("camera predict 12345678 abc", "the line of key camera is damaged"),
        (f"camera root 12345678 {'a' * 64}", "unknown scopes root"),
    ],
)
def test_a_damaged_line_is_named(line: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_keys(f"# comment\n{line}\n", "here")


def test_environment_and_file_are_added_up(path: Path) -> None:
    first, _ = make_key("first", ["learn"])
    add_key(path, "second", ["predict"])
    found = KeySource(file=str(path), text=f"\n{first.line}\n").read()
    assert {key.name for key in found.values()} == {"first", "second"}


def test_the_commands_show_a_key_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEN_HOME", str(tmp_path))

    def sen(*arguments: str) -> str:
        done = CliRunner().invoke(cli, ["keys", *arguments], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.output

    assert "there is no API key" in sen("list")
    secret = sen("add", "camera", "--scope", "predict", "--scope", "learn").split()[-1]
    keys = KeySource(file=str(tmp_path / "keys")).read()
    assert find(keys, secret.encode())
    listed = sen("list")
    assert "camera" in listed
    assert "predict, learn" in listed
    assert secret not in listed
    sen("remove", "camera")
    assert "there is no API key" in sen("list", "--file", str(tmp_path / "keys"))


# --- exposure -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.0.7", False),
        ("localhost.example.org", False),
        ("", False),
    ],
)
def test_loopback_is_what_others_cannot_reach(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


def test_a_network_open_to_others_needs_a_key(path: Path) -> None:
    source = KeySource(file=str(path))
    everywhere, over_grpc = ServeConfig(host="0.0.0.0"), ServeConfig(grpc_port=8001)
    assert check_exposed(ServeConfig(), source) is False
    with pytest.raises(ConfigError, match=r"serve\.host is 0\.0\.0\.0.*sen keys add"):
        check_exposed(everywhere, source)
    with pytest.raises(ConfigError, match=r"serve\.grpc_port needs API keys.*sen keys add"):
        check_exposed(over_grpc, source)
    add_key(path, "camera", ["predict"])
    assert check_exposed(everywhere, source) is True
    assert check_exposed(over_grpc, source) is True


def test_unreadable_keys_are_an_error_before_serving(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read the API keys"):
        check_exposed(ServeConfig(), KeySource(file=str(tmp_path)))
    (tmp_path / "latin").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="cannot read the API keys"):
        check_exposed(ServeConfig(), KeySource(file=str(tmp_path / "latin")))


# --- changes ------------------------------------------------------------------------------


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_changed_file_counts_within_a_second(path: Path) -> None:
    clock = Clock()
    first = add_key(path, "first", ["predict"]).encode()
    ring = Keyring(KeySource(file=str(path)), clock)
    remove_key(path, "first")
    second = add_key(path, "second", ["predict"]).encode()
    ring.refresh()
    assert ring.find(first)  # not looked again yet
    clock.now = 1.0
    ring.refresh()
    assert ring.find(first) is None
    assert ring.find(second)


def test_doors_stay_closed_when_the_file_is_gone_or_damaged(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    secret = add_key(path, "camera", ["predict"]).encode()
    ring = Keyring(KeySource(file=str(path)), clock)
    path.write_text("nonsense\n")
    clock.now = 1
    ring.refresh()
    assert ring.find(secret)
    assert "API keys stay as they were: line 1" in caplog.text
    path.unlink()
    clock.now = 2
    ring.refresh()
    assert ring.find(secret) is None
    assert ring.guarded


def test_a_file_that_comes_later_closes_the_doors(path: Path) -> None:
    clock = Clock()
    ring = Keyring(KeySource(file=str(path)), clock)
    assert not ring.guarded
    add_key(path, "camera", ["predict"])
    clock.now = 1
    ring.refresh()
    assert ring.guarded


def test_an_old_file_put_in_place_is_seen_too(path: Path, tmp_path: Path) -> None:
    """Secrets that are swapped in may have an older time than what they replace."""
    clock = Clock()
    add_key(path, "camera", ["predict"])
    ring = Keyring(KeySource(file=str(path)), clock)
    secret = add_key(tmp_path / "old", "older", ["predict"]).encode()
    os.utime(tmp_path / "old", (1, 1))
    (tmp_path / "old").replace(path)
    clock.now = 1
    ring.refresh()
    assert ring.find(secret)


# --- requests -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "scopes"),
    [
        ("GET", "/", ()),
        ("HEAD", "/healthz", ()),
        ("GET", "/v2/health/ready", ()),
        ("GET", "/openapi.json", ()),
        ("GET", "/page/index-3f9a.js", ()),
        ("GET", "/page/../v1/tasks", ("predict", "learn")),
        ("POST", "/v1/predict", ("predict",)),
        ("POST", "/v2/models/digits/versions/1/infer", ("predict",)),
        ("POST", "/v1/learn", ("learn",)),
        ("POST", "/v1/verify", ("learn",)),
        ("GET", "/v1/verify", ("learn",)),
        ("GET", "/v1/network/activity", ("predict", "learn")),
        ("GET", "/v1/tasks", ("predict", "learn")),
        ("GET", "/v1/expansions/00000001-x/events", ("predict", "learn")),
        ("GET", "/v2", ("predict", "learn")),
        ("GET", "/v1/tasks.js\n", ("predict", "learn")),
        ("GET", "/v1/tasks.js", ("predict", "learn")),
        ("POST", "/", ("learn",)),
        ("POST", "/healthz", ("learn",)),
        ("DELETE", "/v1/tasks/digits", ("learn",)),
        ("POST", "/v1/learn/", ("learn",)),
        ("POST", "/v1//predict", ("learn",)),
    ],
)
def test_which_route_needs_which_scope(method: str, path: str, scopes: tuple[str, ...]) -> None:
    assert needed(method, path) == scopes


def test_a_key_opens_what_its_scope_allows(path: Path) -> None:
    secret = add_key(path, "camera", ["predict"])
    dispatcher = FakeAnswering()
    app = guarded_app(dispatcher, keys=KeySource(file=str(path)))
    for headers in (
        {"Authorization": f"Bearer {secret}"},
        {"authorization": f"bearer  {secret}"},
        {"X-API-Key": secret},
    ):
        reply = request(app, "POST", "/v1/predict", json=ONE, headers=headers)
        assert reply.status_code == 200, reply.text
    assert dispatcher.asked == 3
    assert request(app, "GET", "/v1/tasks", headers={"x-api-key": secret}).status_code == 200
    assert request(app, "GET", "/healthz").status_code == 200


def test_without_a_key_nothing_is_answered(path: Path) -> None:
    secret = add_key(path, "camera", ["predict"])
    dispatcher = FakeAnswering()
    app = guarded_app(dispatcher, keys=KeySource(file=str(path)))
    reply = request(app, "POST", "/v1/predict", json=ONE)
    assert "needs an API key" in problem(reply, 401)
    assert reply.headers["www-authenticate"] == 'Bearer realm="sen"'
    for given in ("", "Bearer", "Basic abc", "Bearer \xff", f"Bearer {secret}x", secret):
        reply = request(
            app, "POST", "/v1/predict", json=ONE, headers={"authorization": given.encode("latin-1")}
        )
        assert problem(reply, 401)
    assert "known" in problem(request(app, "GET", "/v1/tasks", headers={"x-api-key": "a"}), 401)
    assert problem(request(app, "GET", "/v1/nothing"), 401)
    assert dispatcher.asked == 0


def test_another_scope_is_forbidden(path: Path) -> None:
    secret = add_key(path, "teacher", ["learn"])
    app = guarded_app(FakeAnswering(), keys=KeySource(file=str(path)))
    reply = request(app, "POST", "/v1/predict", json=ONE, headers={"x-api-key": secret})
    assert "key teacher has learn; this needs predict" in problem(reply, 403)
    assert 'error="insufficient_scope", scope="predict"' in reply.headers["www-authenticate"]


def test_the_inference_protocol_has_errors_of_its_own(path: Path) -> None:
    add_key(path, "camera", ["predict"])
    app = guarded_app(FakeAnswering(), keys=KeySource(file=str(path)))
    reply = request(app, "POST", "/v2/models/sen/infer", json={})
    assert reply.status_code == 401
    assert reply.headers["content-type"] == "application/json"
    assert list(reply.json()) == ["error"]


@pytest.mark.parametrize("header", ["origin", "host"])
def test_without_keys_other_sites_pages_cannot_ask(header: str) -> None:
    app = guarded_app(FakeAnswering())
    for evil in ("evil.example", "evil.example:8000", "[", "127.0.0.1.evil.example", "null"):
        given = evil if header == "host" or evil == "null" else f"http://{evil}"
        reply = request(app, "POST", "/v1/predict", json=ONE, headers={header: given})
        assert header in problem(reply, 403)
    for own in ("localhost:8000", "127.0.0.1:9999", "[::1]:8000"):
        given = own if header == "host" else f"http://{own}"
        reply = request(app, "POST", "/v1/predict", json=ONE, headers={header: given})
        assert reply.status_code == 200, reply.text
