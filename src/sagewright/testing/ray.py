"""A local Ray cluster for tests."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from ..adapters.ray.cluster import LocalCluster

__all__ = ["LocalCluster", "local_cluster"]


@contextlib.contextmanager
def local_cluster(folder: Path) -> Iterator[LocalCluster]:
    """A cluster of three nodes in ``folder``; or the one that ``make ray-cluster`` has made in SAGEWRIGHT_TEST_RAY, which stays."""
    standing = os.environ.get("SAGEWRIGHT_TEST_RAY")
    if standing:
        cluster = LocalCluster(Path(standing))
        if not cluster.state()["nodes"]:
            raise RuntimeError(f"no cluster runs in {standing}: make ray-cluster")
        yield cluster
        return
    with LocalCluster(folder) as started:
        yield started
