"""What many of these tests begin with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from sagewright.testing.components import Composed
from sagewright.testing.experiments import experiment_and_trial
from sagewright.testing.models import Models
from sagewright.testing.pipelines import Pipelines
from sagewright.testing.server import TestServer


@pytest.fixture(scope="module")
def sm(server: TestServer) -> Any:
    return server.client("sagemaker")


@pytest.fixture(scope="module")
def metrics(server: TestServer) -> Any:
    return server.client("sagemaker-metrics")


@pytest.fixture
def names(sm: Any) -> tuple[str, str]:
    """Of an experiment, and of a trial in it."""
    return experiment_and_trial(sm)


@pytest.fixture(scope="module")
def models(server: TestServer) -> Models:
    return Models(server)


@pytest.fixture(scope="module")
def made(models: Models) -> Pipelines:
    """Makes serial inference pipelines."""
    return Pipelines(models)


@pytest.fixture
def composed(server: TestServer) -> Iterator[Composed]:
    found = Composed(server)
    yield found
    found.clean()
