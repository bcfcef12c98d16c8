"""Serverless inference: endpoints that have instances only while somebody asks. See README.md for a workflow that runs."""

from __future__ import annotations

from ...resources.platform import Platform
from .endpoints import Endpoints


def install(platform: Platform) -> None:
    """Take in configurations with a ServerlessConfig, and answer for their endpoints."""
    endpoints = Endpoints(platform)
    platform.servants["Serverless"] = endpoints
    endpoints.install()
