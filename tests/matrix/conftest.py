"""One Ray cluster and one server on it, for every test of this folder that wants them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sagewright.testing.ray import LocalCluster
from sagewright.testing.server import TestServer


@pytest.fixture(scope="session")
def ray_server(ray_cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestServer]:
    """Reaches models over the nodes' relays, as if the nodes were other machines.

    Patient, because nodes begin cold: the SDKs sleep for up to 30 seconds after a look that came back too early.
    """
    settings = {"ray": ray_cluster.address, "ray_token": str(ray_cluster.token), "ray_relay": "true", "patience": "50"}
    with TestServer(tmp_path_factory.mktemp("ray-server") / "data", settings) as running:
        yield running
