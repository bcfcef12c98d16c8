"""What a test meets when it is tried again (``--reruns``): nothing that its first try has made.

Tests share servers. One that fails midway leaves resources behind, and its next try would fail for their names, or find more
than it made, whatever the first failure was. So all that the suite's own fixtures have made for it is made anew: servers with
empty folders, and what stands on them.
"""

from __future__ import annotations

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    if getattr(item, "execution_count", 1) < 2 or not isinstance(item, pytest.Function):
        return
    for definitions in item._fixtureinfo.name2fixturedefs.values():
        for definition in definitions:
            if definition.baseid:  # not a plugin's
                definition.finish(item._request)  # type: ignore[arg-type]  # reads nothing but the node, for its messages
