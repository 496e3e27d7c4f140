"""What several of the end-to-end tests need."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.drawn import draw_shapes


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of images: bars and squares."""
    return draw_shapes(tmp_path_factory.mktemp("shapes"), 150)
