"""What the suite itself relies on."""

from __future__ import annotations

import pytest


@pytest.mark.xdist_group("probe")
def test_groups_of_tests_stay_together(request: pytest.FixtureRequest) -> None:
    """Tests of a group share what is dear, such as a Ray cluster: spread over the workers, each worker would start its own."""
    if hasattr(request.config, "workerinput"):
        assert request.node.nodeid.endswith("@probe")
