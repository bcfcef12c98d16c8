"""When a Jupyter server counts as unused."""

from __future__ import annotations

from typing import Any

import pytest

from sagewright.slices.studio_apps.activity import Use, idle, timeout, use

STARTED = "2026-11-21T10:00:00.000000Z"
AT = 1795255200.0
"""STARTED in epoch seconds."""


def seen(last: str, **more: Any) -> dict[str, Any]:
    return {"last_activity": last, "execution_state": "idle", **more}


@pytest.mark.parametrize(("status", "kernels", "terminals", "found"), [
    ({"started": STARTED}, [], [], Use(AT, False)),
    ({"started": STARTED, "last_activity": "2026-11-21T10:00:05Z"}, [], [], Use(AT + 5, False)),
    ({"started": STARTED}, [seen("2026-11-21T10:01:00Z")], [], Use(AT + 60, False)),
    ({"started": STARTED}, [seen("2026-11-21T10:01:00Z", execution_state="busy")], [], Use(AT + 60, True)),
    # a kernel that nobody has connected to stays "starting" for ever
    ({"started": STARTED}, [seen("2026-11-21T10:00:01Z", execution_state="starting")], [], Use(AT + 1, False)),
    ({"started": STARTED}, [seen(STARTED)], [{"name": "1", "last_activity": "2026-11-21T10:02:00Z"}], Use(AT + 120, False)),
])
def test_the_last_activity_is_that_of_pages_kernels_and_terminals(
    status: dict[str, Any], kernels: list[Any], terminals: list[Any], found: Use
) -> None:
    assert use(status, kernels, terminals) == found


def settings(**idle: Any) -> dict[str, Any]:
    return {"JupyterLabAppSettings": {"AppLifecycleManagement": {"IdleSettings": idle}}}


@pytest.mark.parametrize(("given", "seconds"), [
    ({}, None),
    (settings(IdleTimeoutInMinutes=60), None),
    (settings(LifecycleManagement="DISABLED", IdleTimeoutInMinutes=60), None),
    (settings(LifecycleManagement="ENABLED", IdleTimeoutInMinutes=90), 5400.0),
    (settings(LifecycleManagement="ENABLED", IdleTimeoutInMinutes=60, MinIdleTimeoutInMinutes=120), 7200.0),
    (settings(LifecycleManagement="ENABLED", IdleTimeoutInMinutes=900, MaxIdleTimeoutInMinutes=240), 14400.0),
    (settings(LifecycleManagement="ENABLED", MaxIdleTimeoutInMinutes=240), 14400.0),
    (settings(LifecycleManagement="ENABLED"), None),
])
def test_an_administrator_enables_it_and_says_within_which_limits(given: dict[str, Any], seconds: float | None) -> None:
    assert timeout(given, "JupyterLabAppSettings") == seconds


def test_idle_is_neither_busy_nor_used_for_that_long() -> None:
    assert idle(Use(AT, False), 3600.0, AT + 3600)
    assert not idle(Use(AT, False), 3600.0, AT + 3599)
    assert not idle(Use(AT, True), 3600.0, AT + 99_999)
    assert not idle(Use(AT, False), None, AT + 99_999)
