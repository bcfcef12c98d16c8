"""The configuration: one JSON object. Keys of Edge Manager's agent where it has one, ours begin with ``sagewright_edge_``."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

CORE, OWN = "sagemaker_edge_core_", "sagewright_edge_"
KEYS = {
    f"{CORE}device_name": "device", f"{CORE}device_fleet_name": "fleet", f"{CORE}region": "region", f"{CORE}root_certs_path": "ca_file",
    f"{CORE}folder_prefix": "prefix", f"{CORE}capture_data_destination": "destination", f"{CORE}capture_data_disk_path": "disk",
    f"{CORE}capture_data_buffer_size": "buffer", f"{OWN}endpoint_url": "endpoint", f"{OWN}root": "root",
    f"{OWN}credentials_file": "credentials", f"{OWN}heartbeat_seconds": "heartbeat", f"{OWN}max_model_bytes": "max_model_bytes",
    f"{OWN}max_models": "max_models", f"{OWN}threads": "threads", "sagemaker_edge_provider_s3_bucket_name": "bucket",
}  # fmt: skip
IGNORED = (f"{CORE}capture_data_push_period_seconds", f"{CORE}capture_data_batch_size", f"{CORE}capture_data_base64_embed_limit",
           f"{CORE}log_verbose", f"{CORE}log_level", f"{CORE}capture_data_async", "sagemaker_edge_log_verbose",
           "sagemaker_edge_provider_provider", "sagemaker_edge_provider_provider_path", "sagemaker_edge_provider_aws_ca_cert_file",
           "sagemaker_edge_provider_aws_cert_file", "sagemaker_edge_provider_aws_cert_pk_file",
           "sagemaker_edge_provider_aws_iot_cred_endpoint", "sagemaker_edge_telemetry_libsystem_path")  # fmt: skip
"""Known and without a meaning here: captures are pushed one by one as soon as there is a connection, keys are no certificates."""


@dataclass(frozen=True)
class Config:
    """What the agent goes by."""

    device: str
    fleet: str
    endpoint: str
    root: str
    """Folder that belongs to this agent alone."""
    region: str = "us-east-1"
    credentials: str = ""
    """JSON file with access_key, secret_key and perhaps session_token, read at every call; the environment's unless given."""
    ca_file: str = ""
    prefix: str = ""
    destination: str = "Cloud"
    """Cloud: captures go to S3. Disk: they stay in ``disk``."""
    disk: str = ""
    bucket: str = ""
    """Where captures go; the fleet's OutputConfig unless given."""
    buffer: int = 1000
    """Captures that wait for a connection, at most."""
    heartbeat: float = 60.0
    """Seconds."""
    max_model_bytes: int = 0
    """Of a package; 0 is no limit."""
    max_models: int = 16
    threads: int = 1
    """Of one prediction."""


def read(path: str) -> Config:
    """Raises ValueError, naming the file and the key."""
    try:
        given: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from error
    unknown = sorted(set(given) - set(KEYS) - set(IGNORED))
    if unknown:
        raise ValueError(f"{path}: unknown keys {', '.join(unknown)}")
    values = {KEYS[key]: value for key, value in given.items() if key in KEYS}
    kinds = {field.name: field.type for field in fields(Config)}
    for name, value in values.items():
        wanted: tuple[type, ...] = {"str": (str,), "int": (int,), "float": (int, float)}[str(kinds[name])]
        if not isinstance(value, wanted) or isinstance(value, bool):
            raise ValueError(f"{path}: {next(k for k, v in KEYS.items() if v == name)} must be a {kinds[name]}")
    needed = {name: key for key, name in KEYS.items() if name in ("device", "fleet", "endpoint", "root")}
    if missing := sorted(key for name, key in needed.items() if not values.get(name)):
        raise ValueError(f"{path}: missing {', '.join(missing)}")
    config = Config(**values)
    if config.destination not in ("Cloud", "Disk") or (config.destination == "Disk" and not config.disk):
        raise ValueError(f"{path}: {CORE}capture_data_destination must be Cloud, or Disk with {CORE}capture_data_disk_path")
    return config
