"""What is too much is refused at once, with a reason, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import numpy as np
import pytest
import soundfile
from fastapi import FastAPI, Request, Response
from PIL import Image

from cluster.config import ServeConfig
from cluster.meter import NoMeter
from deploy.guard import guard
from deploy.keys import KeySource
from deploy.limits import Kind, kind_of
from tests.unit.fakes import FakeAnswering
from tests.unit.guarded import ONE, ask, guarded_app, problem, request


def png(height: int, width: int) -> bytes:
    out = io.BytesIO()
    Image.new("L", (width, height)).save(out, "PNG")
    return out.getvalue()


def flac(samples: int) -> bytes:
    out = io.BytesIO()
    soundfile.write(out, np.zeros(samples, np.float32), 8000, format="FLAC")
    return out.getvalue()


def other_app(
    endpoint: Callable[[Request], Awaitable[Response]], path: str, **serve: Any
) -> FastAPI:
    """A guarded application of one route."""
    app = FastAPI()
    app.add_api_route(path, endpoint, methods=["POST", "GET"])
    return guard(app, ServeConfig(**serve), KeySource(), NoMeter())


async def parts(*sizes: int) -> AsyncIterator[bytes]:
    """A body without a length."""
    for size in sizes:
        yield bytes(size)


# --- size ---------------------------------------------------------------------------------


def test_an_announced_body_over_the_limit_is_refused_unread() -> None:
    dispatcher = FakeAnswering()
    app = guarded_app(dispatcher, max_body_bytes=1000)
    reply = request(app, "POST", "/v1/predict", content=bytes(1001))
    assert "1001 bytes or more, the limit is 1000" in problem(reply, 413)
    reply = request(app, "POST", "/v2/models/sen/infer", content=bytes(1001))
    assert (reply.status_code, list(reply.json())) == (413, ["error"])
    assert dispatcher.asked == 0


def test_a_body_without_a_length_is_stopped_where_it_is_too_large() -> None:
    heard = 0

    async def endpoint(request: Request) -> Response:
        nonlocal heard
        async for part in request.stream():
            heard += len(part)
        return Response()

    app = other_app(endpoint, "/v1/any", max_body_bytes=1000)
    assert "raise serve.max_body_bytes" in problem(
        request(app, "POST", "/v1/any", content=parts(400, 400, 400, 400)), 413
    )
    assert heard == 800
    assert request(app, "POST", "/v1/any", content=parts(400, 600)).status_code == 200


def test_a_refusal_is_sent_whatever_the_application_makes_of_it() -> None:
    async def endpoint(request: Request) -> Response:
        try:
            await request.body()
        except Exception:
            return Response("swallowed", 200)
        return Response()

    app = other_app(endpoint, "/v1/any", max_body_bytes=10)
    assert problem(request(app, "POST", "/v1/any", content=parts(11)), 413)


def test_uploads_have_a_limit_of_their_own() -> None:
    async def endpoint(request: Request) -> Response:
        return Response(str(len(await request.body())))

    app = other_app(endpoint, "/v1/learn", max_body_bytes=10, max_upload_bytes=100)
    assert request(app, "POST", "/v1/learn", content=bytes(100)).text == "100"
    assert "serve.max_upload_bytes" in problem(
        request(app, "POST", "/v1/learn", content=bytes(101)), 413
    )


def test_too_many_inputs_are_refused() -> None:
    app = guarded_app(FakeAnswering(), max_inputs=2)
    many = {"inputs": [[[0.5]]] * 3}
    assert "3 inputs, the limit is 2" in problem(
        request(app, "POST", "/v1/predict", json=many), 413
    )


def test_files_are_measured_before_they_are_decoded() -> None:
    app = guarded_app(FakeAnswering(), max_decoded_values=10_000)
    send = lambda *bodies: request(  # noqa: E731
        app, "POST", "/v1/predict", files=[("f", (f"{i}", b)) for i, b in enumerate(bodies)]
    )
    assert send(png(100, 100)).status_code == 200
    assert "101x100 pixels" in problem(send(png(100, 101)), 413)
    assert "serve.max_decoded_values" in problem(send(png(70, 70), png(70, 80)), 413)
    assert send(flac(10_000)).status_code == 200
    assert "more samples" in problem(send(flac(10_001)), 413)
    assert "more samples" in problem(send(png(70, 70), flac(5_200)), 413)
    assert "101x100 pixels" in problem(
        request(
            app, "POST", "/v1/predict", content=png(100, 101), headers={"content-type": "image/png"}
        ),
        413,
    )


# --- at once ------------------------------------------------------------------------------


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0)


def test_more_requests_than_a_replica_bears_are_told_to_come_back() -> None:
    dispatcher = FakeAnswering()
    app = guarded_app(dispatcher, max_in_flight=2)

    async def work(http: httpx.AsyncClient) -> tuple[httpx.Response, list[httpx.Response]]:
        dispatcher.go.clear()
        ongoing = [asyncio.create_task(http.post("/v1/predict", json=ONE)) for _ in range(2)]
        await until(lambda: dispatcher.asked == 2)
        refused = await http.post("/v1/predict", json=ONE)
        assert (await http.get("/healthz")).status_code == 200
        dispatcher.go.set()
        return refused, [*await asyncio.gather(*ongoing), await http.post("/v1/predict", json=ONE)]

    refused, answered = ask(app, work)
    assert "2 requests are in flight" in problem(refused, 503)
    assert refused.headers["retry-after"] == "1"
    assert [reply.status_code for reply in answered] == [200] * 3


def test_bodies_in_flight_take_only_so_much_room() -> None:
    dispatcher = FakeAnswering()
    app = guarded_app(dispatcher, max_in_flight_bytes=2000)
    array = io.BytesIO()
    np.save(array, np.zeros((1, 900), np.uint8)[..., None])
    body = {"content": array.getvalue(), "headers": {"content-type": "application/x-npy"}}

    async def work(http: httpx.AsyncClient) -> list[httpx.Response]:
        dispatcher.go.clear()
        first = asyncio.create_task(http.post("/v1/predict", **body))
        await until(lambda: dispatcher.asked == 1)
        refused = [
            await http.post("/v1/predict", **body),
            await http.post("/v1/predict", json={"inputs": [[[0.5] * 30]]}),  # counts eightfold
            await http.post("/v1/predict", content=parts(500, 500), headers=body["headers"]),
        ]
        dispatcher.go.set()
        await first
        after = await http.post("/v1/predict", content=bytes(3000))  # alone: let in, unreadable
        return [first.result(), *refused, after]

    replies = ask(app, work)
    assert [reply.status_code for reply in replies] == [200, 503, 503, 503, 415]
    assert all("room" in problem(reply, 503) for reply in replies[1:4])


def test_only_so_many_tasks_are_sent_at_once() -> None:
    go, learning = asyncio.Event(), []

    async def endpoint(request: Request) -> Response:
        learning.append(request)
        await go.wait()
        return Response(status_code=202)

    app = other_app(endpoint, "/v1/learn", max_uploads=1)

    async def work(http: httpx.AsyncClient) -> list[httpx.Response]:
        first = asyncio.create_task(http.post("/v1/learn"))
        await until(lambda: bool(learning))
        second = await http.post("/v1/learn")
        go.set()
        return [await first, second]

    first, second = ask(app, work)
    assert first.status_code == 202
    assert "serve.max_uploads" in problem(second, 429)
    assert int(second.headers["retry-after"]) > 1


def test_a_request_that_takes_too_long_is_given_up() -> None:
    dispatcher = FakeAnswering()
    app = guarded_app(dispatcher, request_timeout_s=0.1, max_in_flight=1)

    async def work(http: httpx.AsyncClient) -> list[httpx.Response]:
        dispatcher.go.clear()
        late = await http.post("/v1/predict", json=ONE)
        dispatcher.go.set()
        return [late, await http.post("/v1/predict", json=ONE)]

    late, after = ask(app, work)
    assert "given up after 0.1 s" in problem(late, 503)
    assert late.headers["retry-after"] == "1"
    assert after.status_code == 200, "it must have left its place"


def test_an_error_of_the_application_leaves_its_place_and_is_not_called_late() -> None:
    async def endpoint(request: Request) -> Response:
        raise TimeoutError("of its own")

    app = other_app(endpoint, "/v1/any", max_in_flight=1)
    assert [request(app, "POST", "/v1/any").status_code for _ in range(3)] == [500] * 3


def test_every_503_says_when_to_come_back() -> None:
    async def endpoint(request: Request) -> Response:
        return Response(status_code=503)

    reply = request(other_app(endpoint, "/v1/any"), "GET", "/v1/any")
    assert reply.headers["retry-after"] == "1"


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/healthz", Kind.HEALTH),
        ("/v2/health/live", Kind.HEALTH),
        ("/v1/expansions/00000001-upper/events", Kind.STREAM),
        ("/v1/expansions/00000001-upper", Kind.OTHER),
        ("/v1/learn", Kind.UPLOAD),
        ("/v1/verify", Kind.UPLOAD),
        ("/v1/predict", Kind.OTHER),
    ],
)
def test_what_a_request_counts_as(path: str, kind: Kind) -> None:
    assert kind_of(path) is kind
