"""The web page in a real browser: what it shows of a network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx

from tests.e2e.page.driving import (
    SEVEN,
    answer,
    api,
    draw,
    many,
    needs_chromium,
    pathways,
    picture,
    pixels_like,
    settle,
)
from tests.e2e.page.site import Site

pytestmark = needs_chromium

PHONE = {"viewport": {"width": 390, "height": 760}, "is_mobile": True, "has_touch": True}


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
