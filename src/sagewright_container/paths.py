"""Where things lie: the tree under /opt/ml, or under SAGEMAKER_BASE_DIR as in the toolkits of the same contract."""

import os
from contextvars import ContextVar

MODEL: "ContextVar[str]" = ContextVar("model", default="")
"""Folder of the model whose code runs in this thread, where a server has several."""


def base() -> str:
    return os.environ.get("SAGEMAKER_BASE_DIR") or os.environ.get("BASE_DIR") or "/opt/ml"


def config(name: str) -> str:
    return os.path.join(base(), "input", "config", name)


def channel(name: str) -> str:
    return os.path.join(base(), "input", "data", name)


def code() -> str:
    return os.path.join(base(), "code")


def model() -> str:
    return MODEL.get() or os.path.join(base(), "model")


def output() -> str:
    return os.path.join(base(), "output")


def failure() -> str:
    return os.path.join(base(), "output", "failure")


def packages() -> str:
    """Where a job's own requirements go when the shared environment is read-only."""
    return os.path.join(base(), "packages")
