"""Hosts to run clusters on, or why there are none."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cluster.hosts import Hosts, missing


@pytest.fixture(scope="module")
def hosts() -> Iterator[Hosts]:
    """A network without hosts yet."""
    if why := missing():
        pytest.skip(why)
    with Hosts() as made:
        yield made
