"""The examples of training, unchanged, on a Ray cluster of three nodes: the same results as with local processes."""

from __future__ import annotations

import importlib.util
import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sagewright.testing.sdk import run
from sagewright.testing.server import TestServer

pytest.importorskip("ray")
from sagewright.testing.ray import local_cluster

EXAMPLES = Path(__file__).parents[2] / "examples"
_found = importlib.util.spec_from_file_location("modes_on_ray", Path(__file__).parents[1] / "sdk" / "test_hosting_modes.py")
assert _found is not None
assert _found.loader is not None
MODES = importlib.util.module_from_spec(_found)
_found.loader.exec_module(MODES)
pytestmark = [pytest.mark.xdist_group("ray"), pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def scaled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestServer]:
    with local_cluster(tmp_path_factory.mktemp("ray")) as cluster:
        settings = {"ray": cluster.address, "ray_token": str(cluster.token)}
        with TestServer(tmp_path_factory.mktemp("server") / "data", settings) as running:
            yield running


def member(server: TestServer, result: dict[str, Any], name: str) -> Any:
    """A JSON file of the model that an example made."""
    bucket, _, key = result["model"].removeprefix("s3://").partition("/")
    body = server.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body)) as tar:
        file = tar.extractfile(name)
        assert file is not None
        return json.load(file)


def test_a_scikit_learn_script(server: TestServer, scaled: TestServer) -> None:
    here, there = (run(one, "v2", EXAMPLES / "sklearn_script" / "v2.py", timeout=600) for one in (server, scaled))
    assert here == there


def test_data_parallel_training_on_two_hosts(server: TestServer, scaled: TestServer) -> None:
    """By both SDKs; v3 trains on the data that v2's script has made."""
    found = [
        member(one, run(one, sdk, EXAMPLES / "pytorch_ddp" / f"{sdk}.py", timeout=400), "report.json")
        for one in (server, scaled) for sdk in ("v2", "v3")
    ]  # fmt: skip
    assert all(report == found[0] for report in found)
    assert found[0]["processes"] == 2


def test_mpi_on_three_hosts(server: TestServer, scaled: TestServer) -> None:
    here, there = (member(one, run(one, "v2", EXAMPLES / "mpi" / "v2.py", timeout=600), "model.json") for one in (server, scaled))
    assert here["hosts"] == there["hosts"]
    assert here["weights"] == pytest.approx(there["weights"], abs=1e-9)


def test_spot_interruptions(scaled: TestServer) -> None:
    found = run(scaled, "v2", EXAMPLES / "xgboost_spot" / "v2.py", timeout=800)
    assert found["statuses"].count("Interrupted") == 2
    assert found["same"]


def test_a_hugging_face_fine_tune(server: TestServer, scaled: TestServer) -> None:
    here, there = (run(one, "v2", EXAMPLES / "huggingface" / "v2.py", timeout=800)["metrics"] for one in (server, scaled))
    assert here["eval:accuracy"] == pytest.approx(there["eval:accuracy"], abs=0.05)


def test_one_percent_of_ten_gibibytes(scaled: TestServer) -> None:
    found = run(scaled, "v2", EXAMPLES / "fastfile" / "v2.py", timeout=800)
    assert found["metrics"]["channel:bytes"] == 10 * 2**30
    assert member(scaled, found, "found.json")["wrong"] == 0


@pytest.mark.parametrize(("mode", "sdk"), [("real_time", "v2"), ("variants", "v3"), ("streams", "v2"), ("batch", "v3")])
def test_serving(scaled: TestServer, mode: str, sdk: str) -> None:
    getattr(MODES, f"test_{mode}")(scaled, sdk)
