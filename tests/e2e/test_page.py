"""The web page in a real browser, on a really served network."""

from __future__ import annotations

import base64
import io
import json
import os
import random
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import soundfile
import torch
from PIL import Image

from cluster.config import SenConfig, ServeConfig
from deploy import network
from deploy.flags import free_port
from pathways import LearnConfig, PathwayId, TaskData, TrainConfig, learn, load_source
from pathways.data.embedded import embedded_task
from tests.unit.networks import publish_all

api = pytest.importorskip("playwright.sync_api", reason="needs playwright (pip)")
CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="needs Debian's chromium: apt-get install chromium"
)

BUDGET = LearnConfig(threshold=0.5, train=TrainConfig(epochs=12, min_steps=0, batch_size=64))
SEVEN = [[(0.25, 0.2), (0.5, 0.2), (0.75, 0.2), (0.62, 0.42), (0.52, 0.62), (0.45, 0.85)]]
# Playwright does not tell a request's body where that is a file.
KEEP_WHAT_IS_SENT = """() => {
    const send = window.fetch;
    window.fetch = async (url, init) => {
        if (init?.body instanceof Blob)
            window.sent = Array.from(new Uint8Array(await init.body.arrayBuffer()));
        return send(url, init);
    };
}"""
PHONE = {"viewport": {"width": 390, "height": 760}, "is_mobile": True, "has_touch": True}


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
    with api.sync_playwright() as playwright:
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


def draw(page: Any, strokes: list[list[tuple[float, float]]]) -> None:
    box = page.get_by_label("Draw one character").bounding_box()
    for stroke in strokes:
        for i, (x, y) in enumerate(stroke):
            page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
            if i == 0:
                page.mouse.down()
        page.mouse.up()


def choose(page: Any, file: dict[str, Any] | Path) -> None:
    page.locator("input[accept='image/*,audio/*']").set_input_files(file)


def answer(page: Any) -> str:
    """The label that the page gives, once it has asked."""
    label = page.locator(".reply .label b")
    label.wait_for()
    page.locator(".ask:not(.busy)").wait_for()
    return str(label.inner_text())


def pathways(page: Any) -> list[str]:
    return [str(text) for text in page.locator(".paths a").all_inner_texts()]


def picture(page: Any) -> np.ndarray[Any, Any]:
    """What the canvas shows now: uint8 [height, width, 4]."""
    url = page.evaluate("document.querySelector('.picture canvas').toDataURL()")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))))


def settle(page: Any) -> None:
    """Wait until what changed is painted."""
    page.evaluate(
        "new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(() => go())))"
    )


def pixels_like(page: Any, name: str) -> int:
    """Pixels of the picture in a colour of the style sheet."""
    hue = page.evaluate(
        f"getComputedStyle(document.documentElement).getPropertyValue('--{name}').trim()"
    )
    wanted = np.array([int(hue[i : i + 2], 16) for i in (1, 3, 5)])
    shown = picture(page)
    near = np.abs(shown[..., :3].astype(int) - wanted).max(axis=-1) < 12
    return int((near & (shown[..., 3] > 0)).sum())


def test_the_network_is_shown_as_picture_and_as_table(open_page: Callable[..., Any]) -> None:
    page = open_page()
    page.get_by_text("active for an input").wait_for()
    api.expect(page.locator(".figures div", has_text="tasks")).to_contain_text("3")
    assert pixels_like(page, "image") > 300, "two tasks of images, lit"
    assert pixels_like(page, "audio") > 150, "a task of sounds"
    page.get_by_role("button", name="table").click()
    rows = page.locator("tbody tr")
    api.expect(rows).to_have_count(3)
    api.expect(page.locator("tr", has=page.get_by_role("link", name="lower"))).to_contain_text(
        "digits"
    )
    page.get_by_role("button", name="Classes").click()
    page.get_by_role("button", name="Classes").click()
    api.expect(rows.first).to_contain_text("lower")


def test_a_drawn_digit_lights_up_its_pathway(open_page: Callable[..., Any]) -> None:
    page = open_page(color_scheme="dark")
    page.get_by_text("active for an input").wait_for()
    before = picture(page)
    with page.expect_request("**/v1/predict") as sent:
        draw(page, SEVEN)
    assert answer(page) == "7"
    assert pathways(page)[0] == "digits"
    api.expect(page.locator(".details")).to_contain_text("of all weights")
    settle(page)
    assert (picture(page) != before).any(axis=-1).sum() > 100
    ink = np.array(json.loads(sent.value.post_data)["inputs"][0])
    assert ink.shape == (28, 28)
    rows, columns = np.nonzero(ink > 40)
    assert abs(max(np.ptp(rows), np.ptp(columns)) + 1 - 20) <= 1, "scaled to 20 pixels"
    assert min(rows.min(), columns.min(), 27 - rows.max(), 27 - columns.max()) >= 1
    page.get_by_role("button", name="Clear").click()
    assert page.locator(".reply .label").count() == 0


def test_images_are_answered_as_over_http(open_page: Callable[..., Any], site: Site) -> None:
    page = open_page()
    for task in ("digits", "lower"):
        file = site.png(task, 5)
        reply = httpx.post(f"{site.url}/v1/predict", files={"file": file["buffer"]}).json()
        choose(page, file)
        expected = reply["predictions"][0]
        api.expect(page.locator(".reply .label b")).to_have_text(expected["label"])
        assert pathways(page) == [p["pathway"].partition("@")[0] for p in expected["pathways"]]


def test_what_is_unknown_is_said_to_be_unknown(open_page: Callable[..., Any]) -> None:
    page = open_page()
    noise = np.random.default_rng(5).integers(0, 256, (28, 28), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(noise).save(out, "PNG")
    choose(page, {"name": "noise.png", "mimeType": "image/png", "buffer": out.getvalue()})
    assert answer(page) == "unknown"
    assert pathways(page) == []
    choose(page, {"name": "half.png", "mimeType": "image/png", "buffer": out.getvalue()[:90]})
    api.expect(page.get_by_role("alert")).to_contain_text("did not work")


def test_numbers_and_other_kinds_of_input_are_shown(open_page: Callable[..., Any]) -> None:
    tasks = many(3)
    kinds = ("table-12", "text-64-of-5000", "image-28x28x1")
    for task, signature in zip(tasks, kinds, strict=True):
        task["signature"] = signature
    tasks[0] |= {"output": "number", "labels": ["price"], "held_out_accuracy": None}
    tasks[0]["held_out_r2"] = 0.831
    value = {"name": "price", "value": 251312.7, "deviation": 14200.0, "weight": 1.0}
    told = {
        "label": None,
        "probability": None,
        "unknown": False,
        "probabilities": [],
        "values": [value],
        "pathways": [{"pathway": "task-0@1", "weight": 1.0}],
        "active_share": 0.1,
        "notes": [],
    }
    page = open_page(
        "/#/task/task-0",
        {
            "/v1/tasks": lambda route: route.fulfill(json={"network_version": 3, "tasks": tasks}),
            "/v1/tasks/task-0/versions": lambda route: route.fulfill(json={"versions": []}),
            "/v1/predict*": lambda route: route.fulfill(
                json={"network_version": 3, "predictions": [told]}
            ),
        },
    )
    api.expect(page.locator("article.task")).to_contain_text("R² 0.83")
    api.expect(page.locator("article.task")).to_contain_text("rows of 12 columns")
    page.get_by_role("button", name="table").click()
    row = page.locator("tr", has=page.get_by_role("link", name="task-0"))
    api.expect(row).to_contain_text("a number")
    api.expect(page.locator("tbody")).to_contain_text("texts of 64 tokens")
    page.get_by_role("button", name="Ask this task alone").click()
    out = io.BytesIO()
    Image.fromarray(np.zeros((28, 28), np.uint8)).save(out, "PNG")
    choose(page, {"name": "house.png", "mimeType": "image/png", "buffer": out.getvalue()})
    assert answer(page) == "251,310"
    api.expect(page.locator(".reply")).to_contain_text("price ± 14,200")
    assert pathways(page) == ["task-0"]


def test_a_photographed_character_is_read_as_ink(open_page: Callable[..., Any]) -> None:
    page = open_page()
    paper = np.full((90, 160), 215, np.uint8)
    paper[15:20, 50:90] = paper[15:75, 85:90] = 60  # a 7 in pencil
    out = io.BytesIO()
    Image.fromarray(paper).save(out, "PNG")
    choose(page, {"name": "note.png", "mimeType": "image/png", "buffer": out.getvalue()})
    api.expect(page.get_by_role("alert")).to_contain_text("image-90x160x1")
    with page.expect_request("**/v1/predict") as sent:
        page.get_by_role("button", name="Read it as ink on paper").click()
    ink = np.array(json.loads(sent.value.post_data)["inputs"][0])
    assert ink.max() > 200
    assert ink[0].max() == ink[:, 0].max() == 0
    assert answer(page) in {"7", "1", "T", "unknown"}


def test_sounds_are_uploaded_and_recorded(
    open_page: Callable[..., Any], site: Site, spoken_wav: Path
) -> None:
    page = open_page(permissions=["microphone"])
    choose(page, spoken_wav)
    reply = httpx.post(f"{site.url}/v1/predict", files={"file": spoken_wav.read_bytes()}).json()
    assert answer(page) == reply["predictions"][0]["label"]
    assert pathways(page) == ["spoken"]
    page.get_by_role("button", name="Record").click()
    page.get_by_role("button", name="Stop").wait_for()
    page.wait_for_timeout(1500)  # the sound itself takes a second
    page.evaluate(KEEP_WHAT_IS_SENT)
    page.get_by_role("button", name="Stop").click()
    sent = page.wait_for_function("() => window.sent").json_value()
    heard, rate_hz = soundfile.read(io.BytesIO(bytes(sent)))
    assert 1.0 < len(heard) / rate_hz < 4.0
    assert np.abs(heard).max() > 0.01
    assert answer(page)


def test_what_others_ask_is_seen(open_page: Callable[..., Any], site: Site) -> None:
    page = open_page()
    page.get_by_text("inputs now").wait_for()
    settle(page)
    shown = "document.querySelector('.picture canvas').toDataURL()"
    page.evaluate(f"() => {{ window.idle = {shown} }}")
    body = io.BytesIO()
    np.save(body, np.repeat(site.test["digits"].x, 10, axis=0))
    kind = {"content-type": "application/x-npy"}
    httpx.post(f"{site.url}/v1/predict", content=body.getvalue(), headers=kind, timeout=60)
    page.wait_for_function("() => document.title.includes('/s')")
    page.wait_for_function(f"() => {shown} !== window.idle")


def test_a_task_s_page_tells_its_links(open_page: Callable[..., Any], site: Site) -> None:
    info = next(
        task
        for task in httpx.get(f"{site.url}/v1/tasks").json()["tasks"]
        if task["task"] == "lower"
    )
    page = open_page("/#/task/lower")
    links = page.locator("svg.links")
    assert len(info["links"]) >= 1
    api.expect(links.locator("text.share")).to_have_count(len(info["links"]))
    for link in info["links"]:
        told = f"{link['source_label']} to {link['target_label']} {link['similarity']:.2f}"
        assert told in (links.get_attribute("aria-label") or "")
    api.expect(page.locator(".versions")).to_contain_text("in service")
    page.get_by_role("heading", name="Links from").get_by_role("link").click()
    api.expect(page.get_by_role("heading", level=2)).to_have_text("digits")
    page.get_by_role("button", name="Ask this task alone").click()
    with page.expect_request("**/v1/predict?task=digits"):
        draw(page, SEVEN)
    assert pathways(page) == ["digits"] or answer(page)


def drop(page: Any, path: Path) -> None:
    """Drop a file or folder on the page, as from a file manager."""
    events = page.context.new_cdp_session(page)
    data = {"items": [], "files": [str(path)], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        events.send("Input.dispatchDragEvent", {"type": kind, "x": 300, "y": 300, "data": data})


def test_files_and_folders_are_dropped_anywhere(
    open_page: Callable[..., Any], site: Site, tmp_path: Path
) -> None:
    for name in ("2", "10"):
        (tmp_path / "Small Digits" / name).mkdir(parents=True)
        (tmp_path / "Small Digits" / name / "a.png").write_bytes(site.png("digits", 0)["buffer"])
    page = open_page()
    page.get_by_text("active for an input").wait_for()
    drop(page, tmp_path / "Small Digits" / "2" / "a.png")
    assert answer(page)
    drop(page, tmp_path / "Small Digits")
    api.expect(page.locator(".chips li")).to_have_text(["2 1", "10 1"])
    assert page.get_by_label("Name").input_value() == "small-digits"
    (tmp_path / "notes.txt").write_text("not an example")
    drop(page, tmp_path / "notes.txt")
    api.expect(page.get_by_role("alert")).to_contain_text("no images or sounds")
    (tmp_path / "packed.npz").write_bytes(b"x")
    drop(page, tmp_path / "packed.npz")
    api.expect(page.locator("form.learn")).to_contain_text("packed.npz")


def test_everything_can_be_done_from_the_keyboard(open_page: Callable[..., Any]) -> None:
    page = open_page()
    page.get_by_text("active for an input").wait_for()
    page.keyboard.press("/")
    page.keyboard.type("low")
    api.expect(page.get_by_role("option")).to_have_count(1)
    page.keyboard.press("Enter")
    api.expect(page.get_by_role("heading", level=2)).to_be_focused()
    api.expect(page.get_by_role("heading", level=2)).to_have_text("lower")
    canvas = page.get_by_label("Arrow keys go from task to task")
    canvas.focus()
    told = page.locator(".picture [aria-live]")
    seen = set()
    for key in ("ArrowRight", "ArrowLeft", "ArrowUp", "ArrowDown", "ArrowRight") * 2:
        page.keyboard.press(key)
        seen.add(str(told.inner_text()).partition(",")[0])
    assert len(seen) >= 2 and seen <= {"digits", "lower", "spoken"}
    last = str(told.inner_text()).partition(",")[0]
    page.keyboard.press("Enter")
    api.expect(page.get_by_role("heading", level=2)).to_have_text(last)
    page.get_by_role("link", name="Ask", exact=True).press("Enter")
    page.get_by_label("Draw one character").press("7")
    assert answer(page)
    page.goto(page.url.partition("#")[0] + "?again")
    page.get_by_text("active for an input").wait_for()
    order = []
    for _ in range(9):
        page.keyboard.press("Tab")
        order.append(page.evaluate("(e => e.ariaLabel || e.textContent)(document.activeElement)"))
    assert order[0] == "Skip to the panel"
    assert order[1].startswith("Search")
    assert order[2:4] == ["picture", "table"]
    assert order[4].startswith("The network.")
    assert order[-1] == "Ask"


def test_it_works_on_a_phone(open_page: Callable[..., Any]) -> None:
    page = open_page(**PHONE)
    page.get_by_text("active for an input").wait_for()
    draw(page, SEVEN)
    assert answer(page) == "7"
    api.expect(page.locator(".reply .label")).to_be_in_viewport()
    api.expect(page.locator(".paths li").first).to_be_in_viewport()
    page.get_by_role("button", name="table").tap()
    api.expect(page.locator("tbody tr")).to_have_count(3)
    page.get_by_role("link", name="lower").first.tap()
    api.expect(page.get_by_role("heading", level=2)).to_have_text("lower")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def many(n: int) -> list[dict[str, Any]]:
    """So many tasks of three signatures, most of them learned from an earlier one."""
    rng = random.Random(0)
    kinds = ["image-28x28x1"] * 6 + ["image-32x32x3"] * 2 + ["audio-8000hz-8000"] * 2
    by_kind: dict[str, list[str]] = {kind: [] for kind in kinds}
    tasks = []
    for i in range(n):
        kind = rng.choice(kinds)
        source = rng.choice(by_kind[kind][:200]) if i > 50 and rng.random() < 0.7 else None
        link = {"source_label": "a", "target_label": "b", "similarity": 0.7 + 0.3 * rng.random()}
        by_kind[kind].append(f"task-{i}")
        tasks.append(
            {
                "task": f"task-{i}",
                "version": 1,
                "state": "dormant",
                "reason": None,
                "signature": kind,
                "labels": ["a", "b"],
                "family": "mlp",
                "parameters": 10_000 + 100 * i,
                "active_share": 1 / n,
                "source": f"{source}@1" if source else None,
                "links": [link] if source else [],
                "examples": 100,
                "held_out_accuracy": 0.9,
                "held_out_r2": None,
                "output": "classes",
                "learned_at": "2025-01-01T00:00:00+00:00",
            }
        )
    return tasks


def test_five_thousand_tasks_are_shown_and_found(open_page: Callable[..., Any]) -> None:
    n = 5000
    at_a_glance = {
        "network_version": n,
        "tasks": n,
        "parameters": 10**9,
        "max_active_pathways": 2,
        "mean_active_share": 1 / n,
        "links": 3000,
    }
    runs = {"activations": {"task-7": 3}, "rows": 3, "unknown": 0, "resident": ["task-7@1"]}
    listed = {"network_version": n, "tasks": many(n)}
    page = open_page(
        "/",
        {
            "/v1/tasks": lambda route: route.fulfill(json=listed),
            "/v1/network": lambda route: route.fulfill(json=at_a_glance),
            "/v1/network/activity": lambda route: route.fulfill(
                json={"network_version": n, **runs}
            ),
        },
    )
    api.expect(page.locator(".figures")).to_contain_text("5,000")
    assert pixels_like(page, "paper") > 100, "names have rims of paper"
    sizes = [(picture(page)[..., 3] > 0).mean()]
    page.get_by_label("Zoom in").click()
    settle(page)
    sizes.append((picture(page)[..., 3] > 0).mean())
    assert sizes[1] > sizes[0] > 0.3, "the tasks fill much of the picture, and more from near"
    page.get_by_label("Search tasks and classes").fill("task-4321")
    page.keyboard.press("Enter")
    api.expect(page.get_by_role("heading", level=2)).to_have_text("task-4321")
    page.get_by_role("button", name="table").click()
    api.expect(page.locator(".table > p")).to_contain_text("100 of 5,000 tasks")
    page.get_by_label("Search tasks and classes").fill("audio")
    api.expect(page.locator("tbody tr").first).to_contain_text("sounds 8 kHz")


def test_a_key_is_asked_for_and_sent(open_page: Callable[..., Any]) -> None:
    def guarded(route: Any) -> None:
        if route.request.headers.get("authorization") == "Bearer right":
            return route.continue_()
        problem = {"title": "API key needed", "status": 401, "detail": "send one"}
        return route.fulfill(status=401, json=problem, content_type="application/problem+json")

    page = open_page("/", {"/v1/**": guarded})
    for key in ("wrong", "right"):
        page.get_by_label("Key", exact=True).fill(key)
        page.get_by_role("button", name="Use it").click()
        if key == "wrong":
            page.get_by_text("The key that was sent does not do").wait_for()
    page.get_by_text("active for an input").wait_for()
    assert not page.get_by_role("dialog").is_visible()
    assert page.evaluate("localStorage.length") == 0


def test_the_interface_s_own_page_needs_nothing_from_elsewhere(
    open_page: Callable[..., Any],
) -> None:
    page = open_page("/docs")
    page.get_by_text("/v1/predict").first.wait_for()


def shapes(folder: Path) -> Path:
    """Bars and squares, a folder each."""
    rng = np.random.default_rng(0)
    for name, (height, width) in {"bar": (20, 4), "square": (12, 12)}.items():
        (folder / name).mkdir(parents=True)
        for i in range(30):
            pixels = rng.integers(0, 30, (28, 28), np.uint8)
            top, left = rng.integers(0, 28 - height), rng.integers(0, 28 - width)
            pixels[top : top + height, left : left + width] = 220
            Image.fromarray(pixels).save(folder / name / f"{i}.png")
    return folder


def test_a_task_is_learned_with_live_progress(
    open_page: Callable[..., Any], tmp_path: Path
) -> None:
    folder = shapes(tmp_path / "Shapes!")
    page = open_page("/#/learn")
    page.locator("[data-choose=folder]").set_input_files(folder)
    api.expect(page.locator(".chips")).to_contain_text("bar 30")
    assert page.get_by_label("Name").input_value() == "shapes"
    page.get_by_label("Name").fill("digits")
    page.get_by_role("button", name="Learn", exact=True).click()
    api.expect(page.get_by_role("alert")).to_contain_text("'digits' is learned already")
    page.get_by_label("Name").fill("shapes")
    page.get_by_text("Options").click()
    page.get_by_label("Examples a class").fill("20")
    page.get_by_role("button", name="Learn", exact=True).click()
    shown = page.locator(".expansion")
    api.expect(shown).to_contain_text("waiting")
    api.expect(page.get_by_role("link", name="learning shapes")).to_be_visible()
    # Starting a training job takes longer than the training.
    api.expect(shown).to_contain_text(re.compile(r"epoch \d+ of \d+"), timeout=120_000)
    api.expect(shown.get_by_role("link", name="shapes")).to_be_visible(timeout=60_000)
    api.expect(page.get_by_role("link", name="learning shapes")).to_have_count(0)
    api.expect(page.locator(".figures")).to_contain_text("4")
    shown.get_by_role("link", name="shapes").click()
    api.expect(page.locator(".versions")).to_contain_text("in service")
    page.get_by_role("button", name="Ask this task alone").click()
    choose(page, folder / "bar" / "0.png")
    assert answer(page) == "bar"
