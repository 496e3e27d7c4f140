"""What each package offers: sorted, without doubles, and really there."""

from __future__ import annotations

from importlib import import_module

import pytest

PACKAGES = (
    *("pathways", "pathways.data.embedded", "pathways.families", "pathways.revising"),
    *("pathways.simulated", "dispatcher", "cluster"),
)


def order(name: str) -> tuple[bool, bool, str]:
    """Constants, then classes, then functions, each from A to Z (as isort does)."""
    return (not name.isupper(), not name[0].isupper(), name)


@pytest.mark.parametrize("package", [*PACKAGES, "deploy"])
def test_public_names_are_sorted_and_exist(package: str) -> None:
    module = import_module(package)
    names: list[str] = list(getattr(module, "__all__", ()))
    assert names == sorted(set(names), key=order)
    assert [name for name in names if not hasattr(module, name)] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_offers_names_and_says_what_it_is_for(package: str) -> None:
    module = import_module(package)
    assert module.__all__
    assert module.__doc__
