"""What a look at an app leads to: its last activity is told, and an app that nobody uses is ended."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from sagewright.gateway.answer import Answer, Broken
from sagewright.slices.studio_apps.jupyter import WATCH, JupyterApps

ENABLED = {"JupyterLabAppSettings": {"AppLifecycleManagement": {"IdleSettings": {"LifecycleManagement": "ENABLED", "IdleTimeoutInMinutes": 60}}}}
NOW = 1_795_255_200.0


def at(seconds_ago: float) -> str:
    return datetime.fromtimestamp(NOW - seconds_ago, UTC).isoformat().replace("+00:00", "Z")


class Lab:
    """An app in service, and a Jupyter server that says how it is used."""

    def __init__(self, used: float, kernels: list[dict[str, Any]] | None = None, settings: dict[str, Any] | None = None) -> None:
        self.said: dict[str, Any] = {"status": {"started": at(99_999), "last_activity": at(used)}, "kernels": kernels or [], "terminals": []}
        self.asked: list[str] = []
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.gone = False
        doc = {"AppArn": "arn", "AppType": "JupyterLab", "_task": "t", "_role": "r", "_settings": ENABLED if settings is None else settings}
        self.job: Any = SimpleNamespace(doc=doc, send=self.send)
        workspace = SimpleNamespace(worker=self, base="/jupyterlab/default/")
        table: Any = SimpleNamespace(readers={}, get=lambda name: workspace)
        platform: Any = SimpleNamespace(clock=lambda: NOW)
        keys: Any = SimpleNamespace(renew=self.renew)
        sessions: Any = None
        repositories: Any = None
        self.apps = JupyterApps(platform, table, sessions, keys, repositories)

    async def renew(self, *_: Any) -> None:
        self.asked.append("keys")

    async def send(self, name: str, **data: Any) -> None:
        self.events.append((name, data))

    async def request(self, method: str, path: str, headers: dict[str, str], *, seconds: float) -> Answer:
        if self.gone:
            raise Broken("it starts again")
        self.asked.append(path)
        return Answer(200, {}, json.dumps(self.said[path.rpartition("/")[2].partition("?")[0]]).encode())


async def test_an_app_in_use_is_looked_at_again() -> None:
    one = Lab(used=30)
    assert await one.apps.watch(one.job) == WATCH
    assert one.events == [("Activity", {"At": NOW - 30, "Healthy": NOW})]
    assert one.asked[0] == "keys"
    assert all("no_track_activity=1" in path for path in one.asked[1:])  # the question is no activity


async def test_an_app_that_nobody_uses_is_ended() -> None:
    one = Lab(used=3600)
    assert await one.apps.watch(one.job) is None
    assert [name for name, _ in one.events] == ["Activity", "Idle"]


@pytest.mark.parametrize(("kernels", "settings"), [
    ([{"execution_state": "busy", "last_activity": at(9_000)}], None),
    ([{"execution_state": "idle", "last_activity": at(60)}], None),
    ([], {}),
])
async def test_what_keeps_an_app(kernels: list[dict[str, Any]], settings: dict[str, Any] | None) -> None:
    one = Lab(used=9_000, kernels=kernels, settings=settings)
    assert await one.apps.watch(one.job) == WATCH
    assert [name for name, _ in one.events] == ["Activity"]


async def test_one_that_does_not_answer_is_asked_again() -> None:
    one = Lab(used=9_000)
    one.gone = True
    assert await one.apps.watch(one.job) == WATCH
    assert one.events == []
