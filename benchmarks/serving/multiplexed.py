"""Ray Serve's own answer to many models: `@serve.multiplexed`, the caller says which task it is.

Started as `python -m benchmarks.serving.multiplexed STORE PORT CAPACITY`; serves until it is
ended. Serve's flags come from the environment.
"""

from __future__ import annotations

import io
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import ray
import torch
from ray import serve
from starlette.requests import Request

from benchmarks.serving.models import answers, entries, load
from pathways import FrozenPathway


def deployment(root: Path, capacity: int) -> Any:
    """One replica that holds up to `capacity` models."""

    @serve.deployment(max_ongoing_requests=1_024, ray_actor_options={"num_cpus": 0.1})
    class Multiplexed:
        def __init__(self) -> None:
            torch.set_num_threads(1)
            self._entries = entries(root)

        @serve.multiplexed(max_num_models_per_replica=capacity)
        async def model(self, task: str) -> FrozenPathway:
            return load(root, self._entries[task])

        async def __call__(self, request: Request) -> dict[str, Any]:
            # HAProxy drops Serve's own header for it (ray issue 65976), so it is a parameter.
            model = await self.model(request.query_params["task"])
            x = np.load(io.BytesIO(await request.body()), allow_pickle=False)
            return {"predictions": answers(model, x)}

    return Multiplexed


def main() -> None:
    """Serve until ended."""
    root, port, capacity = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    ray.init(include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    serve.start(http_options={"host": "127.0.0.1", "port": port})
    app = deployment(root, capacity).bind()
    serve.run(app, route_prefix="/", logging_config={"enable_access_log": False})
    while True:
        time.sleep(60)


if __name__ == "__main__":
    main()
