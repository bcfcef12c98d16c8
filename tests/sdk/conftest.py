"""Examples that wait much longer than they work go on beside the other tests of their group, from its first test on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from sagewright.testing.server import TestServer

GROUP = "sdk-hosting"
"""Of all tests that are marked so: ``pytest.mark.ahead(what=a function of server and sdk)``."""


def _what(item: pytest.Item) -> Any:
    mark = item.get_closest_marker("ahead")
    return mark.kwargs["what"] if mark else None


@pytest.fixture(scope="session")
def _under_way(request: pytest.FixtureRequest, server: TestServer) -> Iterator[dict[Any, Future[None]]]:
    asked = [(_what(item), item.callspec.params["sdk"]) for item in request.session.items if isinstance(item, pytest.Function) and _what(item)]
    with ThreadPoolExecutor() as pool:
        yield {each: pool.submit(each[0], server, each[1]) for each in asked}


@pytest.fixture(autouse=True)
def _begin(request: pytest.FixtureRequest) -> None:
    group = request.node.get_closest_marker("xdist_group")
    if group and group.args[0] == GROUP:
        request.getfixturevalue("_under_way")


@pytest.fixture
def ahead(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Wait for what the test is marked with, by an SDK; raises what it has raised."""
    under_way: dict[Any, Future[None]] = request.getfixturevalue("_under_way")
    return lambda sdk: under_way[_what(request.node), sdk].result()
