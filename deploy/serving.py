"""Ray Serve: ingress replicas, each with a dispatcher of its own that follows the network."""

from __future__ import annotations

import logging
import socket
from dataclasses import dataclass
from typing import Any

import ray
from fastapi import FastAPI
from ray import serve
from ray.serve.config import gRPCOptions

from cluster.code import leave_if_outdated
from cluster.config import SenConfig, ServeConfig
from cluster.errors import ConfigError, SenError
from cluster.following import FollowingDispatcher
from cluster.metrics import RayMeter
from deploy.app import build_app
from deploy.auth import check_exposed
from deploy.guard import guard
from deploy.keys import KeySource
from deploy.limits import most_at_once

APP = "sen"
_MOST_REPLICAS = 4  # where their number is left to us
_NO_ACCESS_LOG = {"enable_access_log": False}  # ours is serve.access_log
_MORE_WHILE_REPLACED = 25  # percent, rounded up: none is stopped before another is ready


def serve_network(config: SenConfig, keys: KeySource) -> str:
    """Serve the network that runs in the joined cluster; returns the URL. Raises SenError."""
    check_exposed(config.serve, keys)
    _check_port_free(config.serve.host, config.serve.port)
    if config.serve.grpc_port:
        _check_port_free(config.serve.host, config.serve.grpc_port)
    rpc = _grpc(config.serve)
    _be_quiet()
    serve.start(
        http_options={"host": config.serve.host, "port": config.serve.port},
        grpc_options=rpc.options if rpc else None,
    )
    _run(config, keys)
    return f"http://{config.serve.host}:{config.serve.port}"


def serve_anew(config: SenConfig, keys: KeySource) -> None:
    """Replace the replicas of a served network by new ones, none before another answers. Raises
    SenError."""
    check_exposed(config.serve, keys)
    _be_quiet()
    _run(config, keys)


def _be_quiet() -> None:
    """Serve tells on the terminal of every step that it takes."""
    logging.getLogger("ray.serve").setLevel(logging.ERROR)


def _run(config: SenConfig, keys: KeySource) -> None:
    application = ingress(config, keys, replicas())
    try:
        serve.run(application, name=APP, route_prefix="/", logging_config=_NO_ACCESS_LOG)
    except RuntimeError as error:
        raise SenError(f"the network could not be served: {error}") from error


def ingress(config: SenConfig, keys: KeySource, replicas: int) -> serve.Application:
    """What Serve is to run; `replicas`: where serve.replicas leaves their number open.

    Raises ConfigError if gRPC is wanted and what it takes is not installed.
    """
    rpc = _grpc(config.serve)
    deployment = serve.deployment(
        name="ingress",
        num_replicas=config.serve.replicas or replicas,
        max_ongoing_requests=most_at_once(config.serve),
        max_queued_requests=most_at_once(config.serve),  # Serve's own queue is bounded too
        backpressure_config={"status_code": 503, "retry_after_s": 1},
        max_surge_percent=_MORE_WHILE_REPLACED,
        ray_actor_options={"num_cpus": 0.1, "runtime_env": {"env_vars": rpc.flags if rpc else {}}},
    )(serve.ingress(lambda: _build(config, keys))(rpc.service if rpc else None))
    return deployment.bind()


@dataclass(frozen=True)
class _Grpc:
    """What Serve is told to answer gRPC too."""

    options: gRPCOptions
    flags: dict[str, str]
    """In the environment of the replicas."""
    service: type[Any]


def _grpc(config: ServeConfig) -> _Grpc | None:
    """None if it is not wanted; raises ConfigError if what it takes is not installed."""
    if not config.grpc_port:
        return None
    try:
        from deploy.rpc_messages import SERVICER
        from deploy.v2.rpc import InferenceService
    except ImportError as error:
        raise ConfigError(
            f"serve.grpc_port needs a package that is missing ({error.name}); "
            "install it with `pip install 'sen-ray[grpc]'`"
        ) from error
    return _Grpc(
        options=gRPCOptions(port=config.grpc_port, grpc_servicer_functions=[SERVICER]),
        flags={"RAY_SERVE_GRPC_MAX_MESSAGE_SIZE": str(config.max_body_bytes)},
        service=InferenceService,
    )


def replicas() -> int:
    """One for each core of the joined cluster, as each computes on one thread; four at most."""
    return max(1, min(int(ray.cluster_resources().get("CPU", 1)), _MOST_REPLICAS))


def stop_serving() -> None:
    """End Serve in the joined cluster."""
    serve.shutdown()


def _build(config: SenConfig, keys: KeySource) -> FastAPI:
    leave_if_outdated()
    meter = RayMeter()

    async def start() -> FollowingDispatcher:
        dispatcher = FollowingDispatcher(config, meter)
        await dispatcher.start()
        return dispatcher

    return guard(build_app(config, start), config.serve, keys, meter)


def _check_port_free(host: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise SenError(
                f"cannot listen on {host}:{port}: {error.strerror}; choose another with --port"
            ) from error
