"""The file of `sen learn --concepts`: which label stands for which concept."""

from __future__ import annotations

from pathlib import Path

import yaml

from pathways import DataError


def read_concepts(path: Path) -> dict[str, str]:
    """Label → concept, from YAML such as `seven: 7`; raises DataError.

    All names are text: 7 is "7", and `no` is "no".
    """
    try:
        given = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DataError(f"cannot read the concepts in {path}: {error}") from error
    if not isinstance(given, dict) or not all(
        isinstance(name, str) for pair in given.items() for name in pair
    ):
        raise DataError(f"{path} must hold a concept for each label, such as `seven: 7`")
    return given
