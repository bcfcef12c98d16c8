"""Settings: one frozen dataclass, read from the command line, ``SAGEWRIGHT_*`` variables and defaults."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything a server can be told. ``docs/reference/settings.md`` is generated from this class."""

    data: Path = field(default=Path(".sagewright"), metadata={"help": "directory that holds everything the server keeps"})
    host: str = field(default="127.0.0.1", metadata={"help": "address to listen on"})
    port: int = field(default=4566, metadata={"help": "port to listen on; 0 picks a free one"})
    workspace_port: int = field(default=0, metadata={"help": "port on which workspaces (notebooks) have origins of their own; 0 is the one after port, or a free one"})
    workspace_url: str = field(default="", metadata={"help": "URL of a workspace as browsers see it, with * where its name goes, such as https://*.work.example.com; http://*.localhost:<workspace_port> when empty, for browsers on this machine"})
    account: str = field(default="123456789012", metadata={"help": "AWS account id in ARNs"})
    region: str = field(default="us-east-1", metadata={"help": "region when a request names none"})
    auth: str = field(default="strict", metadata={"help": "strict; on loopback also lenient (any key is the operator) or off (nobody is asked)"})
    public_url: str = field(default="", metadata={"help": "base URL that clients use, when it is not host:port"})
    records: str = field(default="", metadata={"help": "postgresql://... for records; SQLite in the data directory when empty"})
    objects: str = field(default="", metadata={"help": "URL of an external S3 endpoint for objects; the data directory when empty"})
    ray: str = field(default="", metadata={"help": "host:port of a Ray cluster that runs the jobs (this machine is one of its nodes); local processes when empty"})
    ray_relay: bool = field(default=False, metadata={"help": "reach models on this machine's own Ray nodes over the network too, as those of other machines"})
    ray_token: str = field(default="", metadata={"help": "file with that cluster's authentication token; RAY_AUTH_TOKEN_PATH or ~/.ray/auth_token when empty"})
    durability: str = field(default="process", metadata={"help": "process: survives kill -9; power: fsync on every write, survives power loss"})
    tls: bool = field(default=True, metadata={"help": "also answer HTTPS on the same port, with certificate and key or a generated local CA"})
    certificate: str = field(default="", metadata={"help": "PEM file of the server certificate"})
    private_key: str = field(default="", metadata={"help": "PEM file of its key"})
    max_body: int = field(default=64 * 2**20, metadata={"help": "bytes; the most a request body outside streamed objects may hold"})
    max_payload: int = field(default=6_291_456, metadata={"help": "bytes; the most an InvokeEndpoint body may hold"})
    capture_seconds: float = field(default=60.0, metadata={"help": "seconds; the longest that captured inference data wait for their upload to S3 while requests come; the first after a pause go after one second"})
    capture_bytes: int = field(default=16 * 2**20, metadata={"help": "bytes of captured inference data at which an object is complete, whatever its time"})
    capture_disk: float = field(default=0.95, metadata={"help": "share of the data directory's disk that may be in use; beyond it inference data are not captured"})
    serverless_idle: float = field(default=300.0, metadata={"help": "seconds after which an instance of a serverless endpoint stops when nobody asks it; a model's variable SAGEWRIGHT_SERVERLESS_IDLE overrides it"})
    invocation_timeout: float = field(default=60.0, metadata={"help": "seconds that a model has to answer an invocation, or to begin a streamed answer"})
    queue_seconds: float = field(default=2.0, metadata={"help": "seconds that an invocation may be expected to wait for its turn at a model; beyond 32 waiting requests, those that would wait longer are refused (429)"})
    stream_timeout: float = field(default=480.0, metadata={"help": "seconds that a streamed answer may take in all"})
    clock_skew: float = field(default=900.0, metadata={"help": "seconds that a signature's time may be off"})
    patience: float = field(default=25.0, metadata={"help": "seconds that a Describe of a polling client may be held until the status changes"})
    warm_memory: int = field(default=4 * 2**30, metadata={"help": "bytes that warm interpreters may hold together"})
    stop_grace: float = field(default=120.0, metadata={"help": "seconds between SIGTERM and SIGKILL when a job is stopped"})
    capacity: str = field(default="shrink", metadata={"help": "shrink: a job of an instance type larger than this machine runs in what there is; strict: it fails with CapacityError"})
    prices: str = field(default="", metadata={"help": "JSON file that says what an hour of each instance type costs, for inference recommendations; AWS's list prices when empty"})
    cors_origin: str = field(default="", metadata={"help": "browser origin that may call the API"})
    images: str = field(default="", metadata={"help": "further directories with images, separated by ':'"})
    file_systems: str = field(default="", metadata={"help": "directories that stand for file systems of training channels: <id>=<directory>, separated by ','"})
    registries: str = field(default="", metadata={"help": "registry hosts, separated by ',', whose images are pulled when a job first names them (such as docker.io,ghcr.io); no other is ever asked, none by default"})
    environments: str = field(default="", metadata={"help": "directory of built image environments, to share between servers; inside the data directory when empty"})
    code_editor: str = field(default="", metadata={"help": "program of the code editor that apps of type CodeEditor run; code-server or openvscode-server on PATH when empty"})
    git_authorities: str = field(default="", metadata={"help": "PEM file of certificate authorities that git in workspaces believes, besides those of this machine"})
    trust_forwarded: bool = field(default=False, metadata={"help": "believe X-Forwarded-Host of a proxy in front"})

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None, **given: Any) -> Settings:
        """Defaults, then ``SAGEWRIGHT_<NAME>``, then what is given and not None.

        Raises:
            ValueError: a value that cannot be read as its setting's type.
        """
        environ = os.environ if environ is None else environ
        values: dict[str, Any] = {}
        for f in fields(cls):
            raw: Any = given.get(f.name)
            if raw is None:
                raw = environ.get(f"SAGEWRIGHT_{f.name.upper()}")
            if raw is not None:
                values[f.name] = _read(f.name, f.default, raw)
        unknown = set(given) - {f.name for f in fields(cls)}
        if unknown:
            raise ValueError(f"unknown settings: {', '.join(sorted(unknown))}")
        if "data" in values:
            values["data"] = values["data"].absolute()
        return cls(**values)


def _read(name: str, default: Any, raw: Any) -> Any:
    kind = type(default)
    if isinstance(default, Path):
        return Path(raw)
    if isinstance(raw, str) and kind is bool:
        if raw.lower() not in {"true", "false", "1", "0", "yes", "no"}:
            raise ValueError(f"{name}: expected true or false, got {raw!r}")
        return raw.lower() in {"true", "1", "yes"}
    try:
        return kind(raw)
    except (TypeError, ValueError):
        raise ValueError(f"{name}: expected {kind.__name__}, got {raw!r}") from None
