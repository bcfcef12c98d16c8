"""A real server around the wire alone: our listener on a free port in a thread, boto3 clients pointed at it."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from sagewright.listener import Listener
from sagewright.settings import Settings
from sagewright.wire.app import App
from sagewright.wire.dispatch import Dispatcher
from sagewright.wire.errors import AccessDenied
from sagewright.wire.models import Models
from sagewright.wire.operations import Operations
from sagewright.wire.types import Call, Principal, Reply

KEY, SECRET, ACCOUNT = "AKIATESTTESTTESTTEST", "secret/of+the/operator", "123456789012"
ROOT = Principal("arn:aws:sts::123456789012:assumed-role/Admin/operator", ACCOUNT, "root", name="Admin")
ROLE = Principal("arn:aws:sts::123456789012:assumed-role/Job/one", ACCOUNT, "role", name="Job")


@dataclass
class Keys:
    """An Authority: one operator, one role session."""

    denied: set[str] = field(default_factory=set)
    asked: list[tuple[str, str]] = field(default_factory=list)

    def secret(self, access_key: str) -> tuple[str, str | None, Principal] | None:
        return {KEY: (SECRET, None, ROOT), "ASIASESSION": ("other", "the-token", ROLE)}.get(access_key)

    def authorize(self, principal: Principal, action: str, resource: str, context: Mapping[str, str]) -> None:
        self.asked.append((action, resource))
        if action in self.denied:
            raise AccessDenied(f"{principal.arn} is not authorized to perform: {action} on resource: {resource}")


@dataclass
class Wire:
    """What a test can look at."""

    app: App
    operations: Operations
    keys: Keys
    models: Models
    audited: list[tuple[Call, BaseException | None, Reply | None]]


def build(models: Models | None = None, internal: Mapping[str, Any] | None = None, **given: Any) -> Wire:
    keys, operations, audited = Keys(), Operations(), []
    settings = Settings.load({}, data=Path("/tmp/none"), **given)
    models = models or Models()

    async def audit(call: Call, error: BaseException | None, reply: Reply | None) -> None:
        audited.append((call, error, reply))

    dispatcher = Dispatcher(models, operations, settings, lambda: keys, audit)
    return Wire(App(models, dispatcher, settings, lambda: keys, internal=internal or {}), operations, keys, models, audited)


@contextlib.contextmanager
def serve(app: App) -> Iterator[str]:
    loop, ready, ports = asyncio.new_event_loop(), threading.Event(), list[int]()

    async def run() -> None:
        listener = Listener(app, "127.0.0.1", 0)
        await listener.start()
        ports.append(listener.port)
        ready.set()
        await over.wait()
        await listener.stop(grace=0.5)

    over = asyncio.Event()
    thread = threading.Thread(target=lambda: loop.run_until_complete(run()), daemon=True)
    thread.start()
    ready.wait(10)
    try:
        yield f"http://127.0.0.1:{ports[0]}"
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(10)
        loop.close()


def client(url: str, service: str, *, key: str = KEY, secret: str = SECRET, token: str | None = None,
           region: str = "us-east-1", **config: Any) -> Any:
    return boto3.client(
        service, endpoint_url=url, region_name=region, aws_access_key_id=key, aws_secret_access_key=secret,
        aws_session_token=token, config=Config(retries={"total_max_attempts": 1}, read_timeout=10, **config),
    )
