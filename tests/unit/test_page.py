"""The page's files: complete, from here only, kept by browsers, and built from the sources."""

from __future__ import annotations

import gzip
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from deploy.page import BUILT, page_router

ROOT = Path(__file__).parents[2]
MOST_BYTES = 150_000


@pytest.fixture(scope="module")
def client() -> TestClient:
    app = FastAPI()
    app.include_router(page_router())
    return TestClient(app)


def named_in(html: str) -> list[str]:
    return re.findall(r'(?:href|src)="([^"]+)"', html)


def test_the_page_and_all_it_names_are_served(client: TestClient) -> None:
    page = client.get("/")
    assert page.headers["content-type"].startswith("text/html")
    names = named_in(page.text)
    assert {name.rpartition(".")[2] for name in names} == {"js", "css", "svg"}
    for name in names:
        file = client.get(f"/{name}")
        assert file.status_code == 200
        assert file.content == (BUILT / name.removeprefix("page/")).read_bytes()


def test_nothing_comes_from_elsewhere(client: TestClient) -> None:
    policy = client.get("/").headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    assert "//" not in client.get("/").text.replace("<!doctype", "")
    for name in named_in(client.get("/").text):
        text = (BUILT / name.removeprefix("page/")).read_text(encoding="utf-8")
        others = set(re.findall(r"https?://[\w./]+", text)) - {
            "http://www.w3.org/2000/svg",  # names of XML kinds, never fetched
            "http://www.w3.org/1998/Math/MathML",
            "http://www.w3.org/1999/xhtml",
        }
        assert not others


def test_browsers_keep_what_is_named_by_its_content(client: TestClient) -> None:
    page = client.get("/")
    assert page.headers["cache-control"] == "no-cache"
    again = client.get("/", headers={"If-None-Match": page.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    for name in named_in(page.text):
        assert "immutable" in client.get(f"/{name}").headers["cache-control"]
    assert client.get("/page/licences.txt").headers["cache-control"] == "no-cache"


def test_files_are_sent_compressed_to_who_takes_it(client: TestClient) -> None:
    plain = client.get("/", headers={"Accept-Encoding": "identity"})
    packed = client.get("/", headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) == len(gzip.compress(plain.content, mtime=0))
    assert packed.content == plain.content


def test_only_what_was_built_is_served(client: TestClient) -> None:
    for name in ("nothing.js", "index.html", "..%2Fpage.py", "%2e%2e/page.py"):
        assert client.get(f"/page/{name}").status_code == 404


def test_the_page_is_small() -> None:
    assert sum(path.stat().st_size for path in BUILT.iterdir()) < MOST_BYTES


@pytest.mark.skipif(
    not shutil.which("node") or not (ROOT / "web" / "node_modules").is_dir(),
    reason="needs node and web/node_modules (npm ci in web/)",
)
def test_what_is_committed_was_built_from_the_sources(tmp_path: Path) -> None:
    subprocess.run(["node", "build.mjs", str(tmp_path)], cwd=ROOT / "web", check=True)
    built = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    committed = {path.name: path.read_bytes() for path in BUILT.iterdir()}
    assert built == committed, "run `make page` and commit deploy/page"
