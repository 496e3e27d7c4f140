"""Unit tests never start Ray: a guard makes ray.init raise."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def no_ray(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    import ray

    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("a unit test tried to start Ray; move it to tests/integration")

    monkeypatch.setattr(ray, "init", refuse)
    yield
