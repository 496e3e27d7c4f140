"""A really served network, and its web page in a real browser."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from cluster.config import SenConfig, ServeConfig
from deploy import network
from deploy.flags import free_port
from pathways import LearnConfig, PathwayId, TrainConfig, learn, load_source
from pathways.data.embedded import embedded_task
from tests.e2e.page.site import CHROMIUM, Site
from tests.unit.networks import publish_all

BUDGET = LearnConfig(threshold=0.5, train=TrainConfig(epochs=12, min_steps=0, batch_size=64))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """digits, lower (with links from digits) and spoken, served."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    sizes = {"digits": 200, "lower": 60, "spoken": 40}
    sets = {n: embedded_task(n, train_per_class=k, test_per_class=4) for n, k in sizes.items()}
    stored = {}
    for name, (train, _) in sets.items():
        sources = [load_source(stored["digits"])] if name == "lower" else []
        stored[name] = learn(PathwayId(name), train, sources, BUDGET)
    torch.set_num_threads(threads)
    home = tmp_path_factory.mktemp("page")
    os.environ["SEN_HOME"] = str(home)
    publish_all(home / "store", stored, {name: train for name, (train, _) in sets.items()})
    config = SenConfig(store=str(home / "store"), serve=ServeConfig(port=free_port()))
    running = network.start(config, cpus=2)
    try:
        url = network.serve(config, running).url
        yield Site(url, {name: test for name, (_, test) in sets.items()})
    finally:
        network.stop(running)


@pytest.fixture(scope="module")
def spoken_wav(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sound") / "said.wav"
    soundfile.write(path, site.test["spoken"].x[0].astype(np.float32), 8000)
    return path


@pytest.fixture(scope="module")
def browser(spoken_wav: Path) -> Iterator[Any]:
    """Chromium with a microphone that hears the sound file over and over."""
    from playwright.sync_api import sync_playwright  # where it is missing, tests are skipped

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=[
                "--no-sandbox",
                "--use-fake-ui-for-media-stream",
                "--use-fake-device-for-media-stream",
                f"--use-file-for-fake-audio-capture={spoken_wav}",
            ],
        )
        yield running
        running.close()


@pytest.fixture
def open_page(browser: Any, site: Site) -> Iterator[Callable[..., Any]]:
    """Open the page; nothing may go wrong in it, nor be fetched from elsewhere."""
    contexts: list[Any] = []
    wrong: list[str] = []

    def opened(path: str = "/", answers: dict[str, Any] | None = None, **options: Any) -> Any:
        contexts.append(browser.new_context(**{"reduced_motion": "reduce", **options}))
        page = contexts[-1].new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda said: wrong.append(said.text) if complains(said) else None)
        page.on("request", lambda r: wrong.append(r.url) if is_foreign(r.url) else None)
        for pattern, answer in (answers or {}).items():
            page.route(f"{site.url}{pattern}", answer)
        page.goto(f"{site.url}{path}")
        return page

    def complains(said: Any) -> bool:
        # A refusal that the page shows is also noted by the browser.
        return said.type in ("error", "warning") and "status of 4" not in said.text

    def is_foreign(url: str) -> bool:
        return not url.startswith((site.url, "blob:", "data:"))

    yield opened
    for context in contexts:
        context.close()
    assert not wrong
