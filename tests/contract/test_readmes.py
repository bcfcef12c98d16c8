"""The first workflow of a slice's README, as a reader runs it; other slices' are run by their own tests."""

from __future__ import annotations

import pytest

from sagewright.testing.models import workflow
from sagewright.testing.server import TestServer


@pytest.mark.parametrize(("name", "said"), [
    ("experiments", "digits-3 0.3 0.27"),
    ("search", "['searched-2', 'searched-1']"),
    ("ecr", "[['1']]"),
    ("sqs", "a book"),
    ("sns", "['today: rain']"),
    ("lineage", "flights ContributedTo clean-flights"),
    ("compilation", "COMPLETED s3://stumps/compiled/model-rasp4b.tar.gz"),
    ("edge", "1 of 3 connected\n1.0 on 1"),
    ("secrets_manager", "['first', 'second']"),
    ("studio_apps", "InService"),
    ("scheduler", "1 job of rate(1 day)"),
])  # fmt: skip
def test_the_workflow_runs(own_server: TestServer, name: str, said: str) -> None:
    assert said in workflow(own_server, name)
