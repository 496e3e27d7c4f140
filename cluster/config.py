"""Settings of a network. Each component owns its part; YAML is read once, here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, get_type_hints

import yaml

from cluster.errors import ConfigError
from dispatcher import DispatcherError, SelectConfig

ACCESS_LOGS = ("off", "error", "warning", "info")
_SERVE_LIMITS = (
    "max_body_bytes",
    "max_upload_bytes",
    "max_inputs",
    "max_decoded_values",
    "max_in_flight",
    "max_in_flight_bytes",
    "max_uploads",
)


@dataclass(frozen=True, kw_only=True)
class SlotConfig:
    """The processes that pathways live in."""

    cpus: float = 0.02
    """CPUs, or a share of one, that Ray reserves for a slot. It computes on as many threads, on
    cores of its own, and on one thread where it is a share."""
    gpus: float = 0.0
    """GPUs, or a share of one, that Ray reserves for a slot, which then computes there. Only nodes
    with GPUs have slots then, if there are any; else all have slots that compute on the CPU."""
    pathways_per_slot: int = 1
    """1: every resident pathway is an actor of its own. More: small pathways share one."""
    per_node: int = 16
    """Slots on a node at most; 0: as many as `cpus` and `gpus` leave room for. Beyond that the
    least recently used pathway makes room."""
    max_slots: int = 0
    """Slots over the whole cluster at most, shared out over its nodes; 0: all that they allow."""
    pinned: tuple[str, ...] = ()
    """Tasks whose pathways never make room."""
    max_replicas: int = 2
    """Slots that a hot pathway is loaded into at most."""
    replicate_above: float = 500.0
    """Inputs a second above which one slot is not enough for a pathway."""
    local_pathways: int = 256
    """Small pathways that every dispatcher holds in its own process at most, so that reaching
    them costs no hop; 0: every pathway runs in a slot's actor."""
    local_parameters: int = 1_000_000
    """Weights, a source's included, up to which a pathway counts as small."""

    @property
    def small(self) -> int:
        """Weights up to which a pathway runs in the dispatchers' processes; 0: none does."""
        return self.local_parameters if self.local_pathways else 0

    def __post_init__(self) -> None:
        _at_least("slots.cpus", self.cpus, 0)
        _at_least("slots.gpus", self.gpus, 0)
        _at_least("slots.pathways_per_slot", self.pathways_per_slot, 1)
        _at_least("slots.per_node", self.per_node, 0)
        _at_least("slots.max_slots", self.max_slots, 0)
        if not (self.cpus or self.gpus or self.per_node or self.max_slots):
            raise ConfigError(
                "nothing bounds the number of slots; set slots.per_node or slots.max_slots"
            )
        _at_least("slots.max_replicas", self.max_replicas, 1)
        _at_least("slots.replicate_above", self.replicate_above, 0)
        _at_least("slots.local_pathways", self.local_pathways, 0)
        _at_least("slots.local_parameters", self.local_parameters, 0)


@dataclass(frozen=True, kw_only=True)
class ExpansionConfig:
    """Learning new tasks."""

    workers: int = 0
    """Training workers of a job, each learning a task of its own. 0: one for every two CPUs of
    the cluster, since the others serve: a worker keeps one busy, and small tasks gain nothing from
    more threads."""
    cpus: float = 1.0
    """CPUs that Ray reserves for each training worker."""
    gpus: float = 0.0
    """GPUs, or a share of one, that Ray reserves for each training worker, which then computes
    there; without a node that has them tasks wait."""
    threads: int = 0
    """Threads each training worker computes on; 0: its machine's cores, shared among its
    workers."""
    shortlist: int = 4
    """Earlier tasks that a new one is compared with, however many there are."""
    router_examples: int = 20_000
    """Examples of a task that the router learns from, at most."""
    linger_s: float = 15.0
    """How long a training job waits for another task before it ends; starting one costs as much."""
    attempts: int = 2
    """Times a task is tried when its worker dies; a task that fails by itself is not retried."""
    max_waiting: int = 1000
    """Tasks that may wait to be learned; further ones are refused (over HTTP with status 429)."""
    modules: tuple[str, ...] = ()
    """Packages and modules whose classes may be named as a family over HTTP, with all below them:
    naming one imports it. Python and the command line are not bound by this."""

    def __post_init__(self) -> None:
        _at_least("expansion.workers", self.workers, 0)
        _at_least("expansion.cpus", self.cpus, 0)
        _at_least("expansion.gpus", self.gpus, 0)
        _at_least("expansion.threads", self.threads, 0)
        _at_least("expansion.shortlist", self.shortlist, 1)
        _at_least("expansion.router_examples", self.router_examples, 1)
        _at_least("expansion.linger_s", self.linger_s, 0)
        _at_least("expansion.attempts", self.attempts, 1)
        _at_least("expansion.max_waiting", self.max_waiting, 1)


@dataclass(frozen=True, kw_only=True)
class ServeConfig:
    """HTTP."""

    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = 8000
    grpc_port: int = 0
    """Port of the Open Inference Protocol over gRPC; 0: none. It takes API keys."""
    replicas: int = 0
    """Ingress replicas; each holds the whole dispatcher and computes on one thread. 0: one for
    each core, four at most."""
    keys_file: str = ""
    """File of API keys, as `sen keys` writes it; replicas look for changes every second."""
    access_log: str = "off"
    """Requests to log, by what came of them: off, error (5xx), warning (4xx too) or info (all)."""
    metrics_port: int = 0
    """Port of Prometheus metrics, where `sen up` starts Ray; 0: a free one (see `sen status`)."""
    max_body_bytes: int = 64 * 1024 * 1024
    """Largest request body; larger ones are refused with status 413."""
    max_upload_bytes: int = 2 * 1024**3
    """Largest body that teaches a task; larger ones are refused with status 413."""
    max_inputs: int = 4096
    """Inputs in one request; more are refused with status 413."""
    max_decoded_values: int = 50_000_000
    """Pixels of images and samples of sounds that the files of one request may decode to."""
    max_in_flight: int = 256
    """Requests a replica works on at once; more are answered with status 503 at once."""
    max_in_flight_bytes: int = 512 * 1024 * 1024
    """Bodies of requests in flight together, JSON counted eightfold; more: status 503."""
    max_uploads: int = 4
    """Requests that teach a task at once, for each replica; more are answered with status 429."""
    request_timeout_s: float = 60.0
    """A request that takes longer is given up with status 503."""
    upload_timeout_s: float = 900.0
    """The same for requests that teach or verify tasks."""

    def __post_init__(self) -> None:
        _at_least("serve.replicas", self.replicas, 0)
        for name in _SERVE_LIMITS:
            _at_least(f"serve.{name}", getattr(self, name), 1)
        for name in ("request_timeout_s", "upload_timeout_s"):
            _at_least(f"serve.{name}", getattr(self, name), 0.1)
        if not 0 < self.port < 65536:
            raise ConfigError(f"serve.port must lie in 1..65535, got {self.port}")
        for name in ("grpc_port", "metrics_port"):
            if not 0 <= getattr(self, name) < 65536:
                raise ConfigError(f"serve.{name} must lie in 0..65535, got {getattr(self, name)}")
        if self.access_log not in ACCESS_LOGS:
            raise ConfigError(
                f"serve.access_log must be one of {', '.join(ACCESS_LOGS)}, got {self.access_log!r}"
            )


@dataclass(frozen=True, kw_only=True)
class SenConfig:
    """All settings of a network."""

    store: str
    """Directory, or URI of an object store, that holds the network."""
    slots: SlotConfig = field(default_factory=SlotConfig)
    expansion: ExpansionConfig = field(default_factory=ExpansionConfig)
    dispatch: SelectConfig = field(default_factory=SelectConfig)
    serve: ServeConfig = field(default_factory=ServeConfig)


def read_config(path: str | Path, **overrides: Any) -> SenConfig:
    """Settings from a YAML file; `overrides` replace top-level values. Raises ConfigError."""
    try:
        values = yaml.safe_load(Path(path).read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"cannot read the settings in {path}: {error}") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path} must hold settings by name, got a {type(values).__name__}")
    return build_config({**values, **overrides})


def build_config(values: Mapping[str, Any]) -> SenConfig:
    """Settings from plain values; unknown names and wrong types raise ConfigError."""
    built: SenConfig = _build(SenConfig, values, "")
    return built


def _build(kind: type[Any], values: Any, prefix: str) -> Any:
    if not isinstance(values, Mapping):
        raise ConfigError(
            f"{prefix.rstrip('.') or 'settings'} must hold settings by name, got {values!r}"
        )
    known, types = {f.name for f in fields(kind)}, get_type_hints(kind)
    for name in values:
        if name not in known:
            raise ConfigError(
                f"unknown setting {prefix}{name}; known are {', '.join(sorted(known))}"
            )
    given = {n: _value(types[n], v, f"{prefix}{n}") for n, v in values.items()}
    if kind is SenConfig and "store" not in given:
        raise ConfigError("the settings name no store; add `store: DIRECTORY`")
    try:
        return kind(**given)
    except DispatcherError as error:
        raise ConfigError(f"{prefix.rstrip('.')}: {error}") from error


def _value(kind: Any, value: Any, name: str) -> Any:
    if is_dataclass(kind):
        return _build(kind, value, f"{name}.")  # type: ignore[arg-type]
    if kind == tuple[str, ...]:
        return _names(value, name)
    wanted = (int, float) if kind is float else kind
    if isinstance(value, bool) or not isinstance(value, wanted):
        raise ConfigError(f"setting {name} must be of type {kind.__name__}, got {value!r}")
    return value


def _names(value: Any, name: str) -> tuple[str, ...]:
    if isinstance(value, list | tuple) and all(isinstance(each, str) for each in value):
        return tuple(value)
    raise ConfigError(f"setting {name} must be a list of names, got {value!r}")


def _at_least(name: str, value: float, least: float) -> None:
    if not value >= least:
        raise ConfigError(f"{name} must be at least {least}, got {value}")
