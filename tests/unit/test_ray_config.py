"""The configuration files at the top of the repository are valid."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import ray
import yaml

from cluster.config import SenConfig, read_config

ROOT = Path(__file__).parents[2]


def test_ray_config_fits_the_schema_of_ray_up() -> None:
    schema = Path(ray.__file__).parent / "autoscaler" / "ray-schema.json"
    given = yaml.safe_load((ROOT / "ray_config.yaml").read_text(encoding="utf-8"))
    jsonschema.validate(given, json.loads(schema.read_text(encoding="utf-8")))
    assert given["provider"]["type"] == "local"


def test_sen_yaml_holds_known_settings() -> None:
    assert isinstance(read_config(ROOT / "sen.yaml"), SenConfig)
