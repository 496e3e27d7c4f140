"""The web page in a real browser: inputs are given and answered, tasks are learned."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import soundfile
from PIL import Image

from tests.e2e.drawn import draw_shapes
from tests.e2e.page.driving import (
    SEVEN,
    answer,
    api,
    choose,
    draw,
    drop,
    many,
    needs_chromium,
    pathways,
    picture,
    settle,
)
from tests.e2e.page.site import Site

pytestmark = needs_chromium

# Playwright does not tell a request's body where that is a file.
KEEP_WHAT_IS_SENT = """() => {
    const send = window.fetch;
    window.fetch = async (url, init) => {
        if (init?.body instanceof Blob)
            window.sent = Array.from(new Uint8Array(await init.body.arrayBuffer()));
        return send(url, init);
    };
}"""


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


def test_a_task_is_learned_with_live_progress(
    open_page: Callable[..., Any], tmp_path: Path
) -> None:
    folder = draw_shapes(tmp_path / "Shapes!", 30)
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
