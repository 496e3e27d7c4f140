"""The Open Inference Protocol over gRPC, for Serve's gRPC ingress."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import grpc
import httpx
from ray.serve.grpc_util import RayServegRPCContext
from starlette.types import ASGIApp

from deploy.rpc_messages import pb
from deploy.v2.protobuf import to_body, to_infer_response, to_metadata
from deploy.v2.routes import HEAD_BYTES
from pathways import DataError

_Code = grpc.StatusCode
_CODES = {
    400: _Code.INVALID_ARGUMENT,
    401: _Code.UNAUTHENTICATED,
    403: _Code.PERMISSION_DENIED,
    404: _Code.NOT_FOUND,
    413: _Code.RESOURCE_EXHAUSTED,
    415: _Code.INVALID_ARGUMENT,
    429: _Code.RESOURCE_EXHAUSTED,
    503: _Code.UNAVAILABLE,
}
_PASSED_ON = ("authorization", "x-api-key", "x-request-id")
_ADDRESS = "http://127.0.0.1"  # of nothing: requests go straight to the application


class Refused(Exception):  # noqa: N818
    """A call that ends with the status that was set on its context."""


class InferenceService:
    """`inference.GRPCInferenceService`: each call asks the HTTP application in this process.

    So keys, limits, metrics and errors are those of HTTP. Serve finds methods by their names.
    """

    app: ASGIApp
    """The guarded application, which `serve.ingress` puts here."""

    async def ServerLive(  # noqa: N802
        self, request: pb.ServerLiveRequest, grpc_context: RayServegRPCContext
    ) -> pb.ServerLiveResponse:
        await self._get("/v2/health/live", grpc_context)
        return pb.ServerLiveResponse(live=True)

    async def ServerReady(  # noqa: N802
        self, request: pb.ServerReadyRequest, grpc_context: RayServegRPCContext
    ) -> pb.ServerReadyResponse:
        await self._get("/v2/health/ready", grpc_context)
        return pb.ServerReadyResponse(ready=True)

    async def ServerMetadata(  # noqa: N802
        self, request: pb.ServerMetadataRequest, grpc_context: RayServegRPCContext
    ) -> pb.ServerMetadataResponse:
        about = (await self._get("/v2", grpc_context)).json()
        return pb.ServerMetadataResponse(name=about["name"], version=about["version"])

    async def ModelReady(  # noqa: N802
        self, request: pb.ModelReadyRequest, grpc_context: RayServegRPCContext
    ) -> pb.ModelReadyResponse:
        await self._get(f"{_model(request.name, request.version)}/ready", grpc_context)
        return pb.ModelReadyResponse(ready=True)

    async def ModelMetadata(  # noqa: N802
        self, request: pb.ModelMetadataRequest, grpc_context: RayServegRPCContext
    ) -> pb.ModelMetadataResponse:
        reply = await self._get(_model(request.name, request.version), grpc_context)
        return to_metadata(reply.json())

    async def ModelInfer(  # noqa: N802
        self, request: pb.ModelInferRequest, grpc_context: RayServegRPCContext
    ) -> pb.ModelInferResponse:
        try:
            body, head_bytes = to_body(request)
        except DataError as error:
            raise _refused(grpc_context, _Code.INVALID_ARGUMENT, str(error)) from error
        path = f"{_model(request.model_name, request.model_version)}/infer"
        reply = await self._ask("POST", path, grpc_context, body, {HEAD_BYTES: str(head_bytes)})
        return to_infer_response(reply.content, int(reply.headers[HEAD_BYTES]))

    async def _get(self, path: str, context: RayServegRPCContext) -> httpx.Response:
        return await self._ask("GET", path, context, b"", {})

    async def _ask(
        self,
        method: str,
        path: str,
        context: RayServegRPCContext,
        body: bytes,
        headers: dict[str, str],
    ) -> httpx.Response:
        """The answer over HTTP; what is no success ends the call with the status like it."""
        sent = dict(context.invocation_metadata())
        passed = {name: sent[name] for name in _PASSED_ON if name in sent}
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=_ADDRESS) as http:
            reply = await http.request(method, path, content=body, headers={**headers, **passed})
        if not reply.is_success:
            code = _CODES.get(reply.status_code, _Code.INTERNAL)
            raise _refused(context, code, _reason(reply))
        return reply


def _model(name: str, version: str) -> str:
    path = f"/v2/models/{quote(name, safe='')}"
    return f"{path}/versions/{quote(version, safe='')}" if version else path


def _reason(reply: httpx.Response) -> str:
    said: Any = reply.json() if reply.content else {}
    return str(said.get("error") or said.get("detail") or f"HTTP status {reply.status_code}")


def _refused(context: RayServegRPCContext, code: grpc.StatusCode, reason: str) -> Refused:
    context.set_code(code)
    context.set_details(reason)
    return Refused(reason)
