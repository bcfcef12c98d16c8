"""Runs at the start of a Python client that ``sagewright env`` or ``sagewright exec`` configured, as ``sitecustomize``.

Both SageMaker SDKs pass ``endpoint_url="https://sts.<region>.amazonaws.com"`` to boto3, and an endpoint in code beats
``AWS_ENDPOINT_URL``. While that variable names another endpoint, an amazonaws.com address that code passes to a client
gives way to it. Nothing else changes, no file of any package is touched, and without ``AWS_ENDPOINT_URL`` this is inert.

This file is copied into ``<data>/client/python`` and imports nothing of Sagewright; Python 3.8 and later.
"""

from __future__ import annotations

import functools
import importlib.abc
import importlib.machinery
import importlib.util
import os
import re
import sys
from typing import Any, Mapping, Optional  # noqa: UP035

AWS_ADDRESS = re.compile(r"https?://([\w-]+\.)+(amazonaws\.com(\.cn)?|api\.aws|amazonaws\.eu)(:\d+)?/?", re.IGNORECASE)
TARGET = "botocore.session"


def gives_way(endpoint_url: Any, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether an endpoint in code should give way to AWS_ENDPOINT_URL (or its form for one service)."""
    if not isinstance(endpoint_url, str) or not AWS_ADDRESS.fullmatch(endpoint_url):
        return False
    configured = [v for k, v in environ.items() if k == "AWS_ENDPOINT_URL" or k.startswith("AWS_ENDPOINT_URL_")]
    return any(configured) and not any(AWS_ADDRESS.fullmatch(v) for v in configured)


def adapt(module: Any) -> None:
    """Let ``botocore.session.Session.create_client`` drop an AWS address that was given in code."""
    session = module.Session
    create_client = session.create_client

    def adapted(self: Any, *args: Any, **kwargs: Any) -> Any:
        if gives_way(kwargs.get("endpoint_url")):
            kwargs["endpoint_url"] = None
        return create_client(self, *args, **kwargs)

    session.create_client = functools.wraps(create_client)(adapted)


class Finder(importlib.abc.MetaPathFinder):
    """Finds botocore.session like everybody else and adapts it once it is loaded: no import happens before its time."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Optional[importlib.machinery.ModuleSpec]:  # noqa: UP045
        if name != TARGET:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is None or spec.loader is None:
            return None
        run = spec.loader.exec_module

        def exec_module(module: Any) -> None:
            run(module)
            adapt(module)

        setattr(spec.loader, "exec_module", exec_module)  # noqa: B010
        return spec


def next_sitecustomize(here: str) -> None:
    """Run the sitecustomize that this one hides, if there is any."""
    path = [p for p in sys.path if os.path.realpath(p or ".") != here]
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", path)
    if spec is not None and spec.loader is not None:
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)


def start() -> None:
    """Install the finder, or adapt what is loaded already."""
    if TARGET in sys.modules:
        adapt(sys.modules[TARGET])
    else:
        sys.meta_path.insert(0, Finder())


if __name__ == "sitecustomize":
    if os.environ.get("AWS_ENDPOINT_URL"):
        start()
    next_sitecustomize(os.path.realpath(os.path.join(__file__, os.pardir)))  # noqa: PTH118
