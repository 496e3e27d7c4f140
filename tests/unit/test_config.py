"""Settings: read once, every mistake named with the setting and the value."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cluster import SenConfig, read_config
from cluster.config import ExpansionConfig, ServeConfig, SlotConfig, build_config
from cluster.errors import ConfigError
from dispatcher import SelectConfig


def test_a_store_is_all_that_must_be_set() -> None:
    config = build_config({"store": "here"})
    assert config == SenConfig(store="here")
    assert config.slots == SlotConfig()
    assert config.expansion == ExpansionConfig()
    assert config.dispatch == SelectConfig()
    assert config.serve == ServeConfig()


def test_a_file_of_settings_is_read(tmp_path: Path) -> None:
    path = tmp_path / "sen.yaml"
    path.write_text(
        "store: here\nslots: {cpus: 1, max_slots: 3}\ndispatch:\n  max_active: 1\n"
        "serve: {port: 9000}\nexpansion: {linger_s: 0.5}\n"
    )
    config = read_config(path)
    assert (config.store, config.slots.cpus, config.slots.max_slots) == ("here", 1, 3)
    assert (config.dispatch.max_active, config.serve.port) == (1, 9000)
    assert config.expansion.linger_s == 0.5


def test_a_list_of_names_is_read(tmp_path: Path) -> None:
    path = tmp_path / "sen.yaml"
    path.write_text("store: here\nslots:\n  pinned: [digits, lower]\n")
    assert read_config(path).slots.pinned == ("digits", "lower")


def test_overrides_replace_what_the_file_says(tmp_path: Path) -> None:
    path = tmp_path / "sen.yaml"
    path.write_text("store: here\nslots: {max_slots: 3}\n")
    assert read_config(path, store="there").store == "there"
    assert read_config(path, store="there").slots.max_slots == 3


def test_an_empty_file_lacks_a_store(tmp_path: Path) -> None:
    path = tmp_path / "sen.yaml"
    path.write_text("")
    with pytest.raises(ConfigError, match="name no store; add `store: DIRECTORY`"):
        read_config(path)
    assert read_config(path, store="here") == SenConfig(store="here")


@pytest.mark.parametrize("text", [b"store: [", b"a: b: c", b"\xff\xfe\x00"])
def test_a_file_that_is_no_yaml_is_named(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "sen.yaml"
    path.write_bytes(text)
    with pytest.raises(ConfigError, match=r"cannot read the settings in .*sen\.yaml"):
        read_config(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read the settings in .*none\.yaml"):
        read_config(tmp_path / "none.yaml")


@pytest.mark.parametrize(("text", "kind"), [("- a\n", "list"), ("just text\n", "str")])
def test_a_file_without_names_is_refused(tmp_path: Path, text: str, kind: str) -> None:
    path = tmp_path / "sen.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=f"must hold settings by name, got a {kind}"):
        read_config(path)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"stores": "x"}, "unknown setting stores; known are dispatch, expansion, serve, slots,"),
        ({"slots": {"gpu": 1}}, r"unknown setting slots\.gpu; known are cpus, gpus, local_"),
        ({"slots": 3}, "slots must hold settings by name, got 3"),
        ({"slots": None}, "slots must hold settings by name, got None"),
        ({"store": 3}, "setting store must be of type str, got 3"),
        ({"slots": {"cpus": "1"}}, r"setting slots\.cpus must be of type float, got '1'"),
        ({"slots": {"max_slots": 2.5}}, r"setting slots\.max_slots must be of type int, got 2\.5"),
        ({"slots": {"max_slots": True}}, r"setting slots\.max_slots must be of type int, got True"),
        ({"serve": {"host": None}}, r"setting serve\.host must be of type str, got None"),
        ({"slots": {"cpus": -1}}, r"slots\.cpus must be at least 0, got -1"),
        ({"slots": {"gpus": -0.5}}, r"slots\.gpus must be at least 0, got -0\.5"),
        ({"slots": {"cpus": float("nan")}}, r"slots\.cpus must be at least 0, got nan"),
        ({"slots": {"pathways_per_slot": 0}}, r"slots\.pathways_per_slot must be at least 1"),
        ({"slots": {"max_slots": -1}}, r"slots\.max_slots must be at least 0, got -1"),
        ({"slots": {"per_node": -1}}, r"slots\.per_node must be at least 0, got -1"),
        ({"slots": {"cpus": 0, "per_node": 0}}, "nothing bounds the number of slots; set slots.pe"),
        ({"slots": {"max_replicas": 0}}, r"slots\.max_replicas must be at least 1, got 0"),
        ({"slots": {"replicate_above": -1}}, r"slots\.replicate_above must be at least 0, got -1"),
        ({"slots": {"pinned": "digits"}}, r"slots\.pinned must be a list of names, got 'digits'"),
        ({"slots": {"pinned": [3]}}, r"slots\.pinned must be a list of names, got \[3\]"),
        ({"expansion": {"cpus": -1.0}}, r"expansion\.cpus must be at least 0, got -1\.0"),
        ({"expansion": {"gpus": -1}}, r"expansion\.gpus must be at least 0"),
        ({"expansion": {"threads": -1}}, r"expansion\.threads must be at least 0"),
        ({"expansion": {"shortlist": 0}}, r"expansion\.shortlist must be at least 1"),
        ({"expansion": {"router_examples": 0}}, r"expansion\.router_examples must be at least 1"),
        ({"expansion": {"linger_s": -1}}, r"expansion\.linger_s must be at least 0"),
        ({"expansion": {"attempts": 0}}, r"expansion\.attempts must be at least 1"),
        ({"serve": {"replicas": -1}}, r"serve\.replicas must be at least 0"),
        ({"serve": {"max_body_bytes": 0}}, r"serve\.max_body_bytes must be at least 1"),
        ({"serve": {"max_in_flight": 0}}, r"serve\.max_in_flight must be at least 1, got 0"),
        ({"serve": {"request_timeout_s": 0}}, r"serve\.request_timeout_s must be at least 0\.1"),
        ({"serve": {"metrics_port": 65536}}, r"serve\.metrics_port must lie in 0\.\.65535"),
        ({"serve": {"access_log": "all"}}, r"serve\.access_log must be one of off, .*, got 'all'"),
        ({"expansion": {"max_waiting": 0}}, r"expansion\.max_waiting must be at least 1, got 0"),
        ({"serve": {"port": 0}}, r"serve\.port must lie in 1\.\.65535, got 0"),
        ({"serve": {"port": 65536}}, r"serve\.port must lie in 1\.\.65535, got 65536"),
        ({"dispatch": {"max_active": 3}}, "max_active is 3; the network allows 1 or 2"),
        ({"dispatch": {"second_above": 1.5}}, r"second_above is 1\.5; give a value in 0\.\.1"),
    ],
)
def test_a_wrong_setting_is_named_with_its_value(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_config({"store": "here", **values})


def test_whole_numbers_do_for_shares() -> None:
    assert build_config({"store": "here", "slots": {"cpus": 1, "gpus": 0}}).slots.cpus == 1


def test_settings_cannot_be_changed_afterwards() -> None:
    config = SenConfig(store="here")
    with pytest.raises(AttributeError):
        config.store = "there"  # type: ignore[misc]
