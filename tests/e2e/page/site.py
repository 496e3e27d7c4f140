"""The network that the page is tested on."""

from __future__ import annotations

import io
import shutil
from dataclasses import dataclass
from typing import Any

from PIL import Image

from pathways import TaskData

CHROMIUM = shutil.which("chromium")


@dataclass(frozen=True)
class Site:
    """The served network, and what it was not shown."""

    url: str
    test: dict[str, TaskData]

    def png(self, task: str, row: int) -> dict[str, Any]:
        """A held-out image as a file to choose."""
        out = io.BytesIO()
        Image.fromarray(self.test[task].x[row, ..., 0]).save(out, "PNG")
        return {"name": "it.png", "mimeType": "image/png", "buffer": out.getvalue()}
