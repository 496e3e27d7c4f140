"""What a user would write without SEN: FastAPI and uvicorn, every model in the process, and the
caller says which task it is. Run by uvicorn as `benchmarks.serving.plain:app`."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from fastapi import FastAPI, Request

from benchmarks.serving.models import answers, entries, load
from benchmarks.serving.systems import STORE

torch.set_num_threads(1)
app = FastAPI()
_root = Path(os.environ[STORE])
_models = {task: load(_root, entry) for task, entry in entries(_root).items()}


@app.post("/predict")
async def predict(task: str, request: Request) -> dict[str, Any]:
    """Labels of images in a NumPy array file."""
    x = np.load(io.BytesIO(await request.body()), allow_pickle=False)
    return {"predictions": answers(_models[task], x)}
