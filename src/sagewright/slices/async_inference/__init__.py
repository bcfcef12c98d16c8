"""Asynchronous inference: requests that wait in a durable queue, answers in S3. See README.md for a workflow that runs."""

from __future__ import annotations

from ...resources.platform import Platform
from .config import check_config
from .endpoints import Endpoints
from .operations import Operations


def install(platform: Platform) -> None:
    """Bind InvokeEndpointAsync, and take in configurations with an AsyncInferenceConfig."""
    platform.admissions["AsyncInferenceConfig"] = lambda call, doc: check_config(platform, call, doc)
    endpoints = Endpoints(platform)
    endpoints.install()
    Operations(platform, endpoints).install()
