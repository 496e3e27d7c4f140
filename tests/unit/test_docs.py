"""The documentation names what there is."""

from __future__ import annotations

import re
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from cluster.config import SenConfig

ROOT = Path(__file__).parents[2]
DOCS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def settings(kind: type[Any], prefix: str = "") -> list[str]:
    """Names of all settings, dotted."""
    hints = get_type_hints(kind)
    names: list[str] = []
    for field in fields(kind):
        inner, name = hints[field.name], f"{prefix}{field.name}"
        names += settings(inner, f"{name}.") if is_dataclass(inner) else [name]
    return names


@pytest.mark.parametrize("name", settings(SenConfig))
def test_every_setting_is_documented(name: str) -> None:
    text = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert f"`{name}`" in text


@pytest.mark.parametrize("page", DOCS, ids=[page.name for page in DOCS])
def test_links_of_the_docs_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[\w-]*)?\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("room", ["pathways", "dispatcher", "cluster", "deploy"])
def test_architecture_names_every_module(room: str) -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    for module in (ROOT / room).glob("*.py"):
        if module.name != "__init__.py":
            assert f"`{module.name}`" in text, f"{room}/{module.name}"
