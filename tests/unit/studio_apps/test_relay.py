"""What asks for a WebSocket, and what a workspace may be asked."""

from __future__ import annotations

import pytest

from sagewright.slices.studio_apps.relay import _head, wanted
from sagewright.slices.studio_apps.table import name_of
from sagewright.wire.errors import ServiceError


@pytest.mark.parametrize(("method", "headers", "said"), [
    ("GET", {"connection": "Upgrade", "upgrade": "websocket"}, True),
    ("GET", {"connection": "keep-alive, upgrade", "upgrade": "WebSocket"}, True),
    ("POST", {"connection": "Upgrade", "upgrade": "websocket"}, False),
    ("GET", {"connection": "Upgrade", "upgrade": "h2c"}, False),
    ("GET", {"connection": "keep-alive", "upgrade": "websocket"}, False),
    ("GET", {}, False),
])
def test_wanted(method: str, headers: dict[str, str], said: bool) -> None:
    assert wanted(method, headers) is said


def test_no_header_ends_its_line() -> None:
    assert _head("/x", {"a": "b"}).endswith(b"\r\na: b\r\n\r\n")
    with pytest.raises(ServiceError):
        _head("/x", {"a": "b\r\ncookie: c"})


def test_an_arn_has_one_name() -> None:
    assert name_of("arn:1") == name_of("arn:1") != name_of("arn:2")
    assert len(name_of("arn:1")) == 18
