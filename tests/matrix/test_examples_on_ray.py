"""The examples of training, unchanged, on a Ray cluster of three nodes: the same results as with local processes."""

from __future__ import annotations

import importlib.util
import io
import json
import tarfile
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from sagewright.testing.sdk import run
from sagewright.testing.server import TestServer

pytest.importorskip("ray")
EXAMPLES = Path(__file__).parents[2] / "examples"
pytestmark = [pytest.mark.xdist_group("ray"), pytest.mark.timeout(900)]


def sdk_test(name: str) -> ModuleType:
    """A module of tests/sdk, whose tests are carried out here on another server."""
    spec = importlib.util.spec_from_file_location(f"{name}_on_ray", Path(__file__).parents[1] / "sdk" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def member(server: TestServer, result: dict[str, Any], name: str) -> Any:
    """A JSON file of the model that an example made."""
    bucket, _, key = result["model"].removeprefix("s3://").partition("/")
    body = server.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body)) as tar:
        file = tar.extractfile(name)
        assert file is not None
        return json.load(file)


def test_a_scikit_learn_script(server: TestServer, ray_server: TestServer) -> None:
    here, there = (run(one, "v2", EXAMPLES / "sklearn_script" / "v2.py", timeout=600) for one in (server, ray_server))
    assert here == there


def test_data_parallel_training_on_two_hosts(server: TestServer, ray_server: TestServer) -> None:
    """By both SDKs; v3 trains on the data that v2's script has made."""
    found = [
        member(one, run(one, sdk, EXAMPLES / "pytorch_ddp" / f"{sdk}.py", timeout=400), "report.json")
        for one in (server, ray_server) for sdk in ("v2", "v3")
    ]  # fmt: skip
    assert all(report == found[0] for report in found)
    assert found[0]["processes"] == 2


def test_mpi_on_three_hosts(server: TestServer, ray_server: TestServer) -> None:
    here, there = (member(one, run(one, "v2", EXAMPLES / "mpi" / "v2.py", timeout=600), "model.json") for one in (server, ray_server))
    assert here["hosts"] == there["hosts"]
    assert here["weights"] == pytest.approx(there["weights"], abs=1e-9)


def test_spot_interruptions(ray_server: TestServer) -> None:
    found = run(ray_server, "v2", EXAMPLES / "xgboost_spot" / "v2.py", timeout=800)
    assert found["statuses"].count("Interrupted") == 2
    assert found["same"]


def test_a_hugging_face_fine_tune(server: TestServer, ray_server: TestServer) -> None:
    here, there = (run(one, "v2", EXAMPLES / "huggingface" / "v2.py", timeout=800)["metrics"] for one in (server, ray_server))
    assert here["eval:accuracy"] == pytest.approx(there["eval:accuracy"], abs=0.05)


def test_one_percent_of_ten_gibibytes(ray_server: TestServer) -> None:
    found = run(ray_server, "v2", EXAMPLES / "fastfile" / "v2.py", timeout=800)
    assert found["metrics"]["channel:bytes"] == 10 * 2**30
    assert member(ray_server, found, "found.json")["wrong"] == 0


SERVING = {
    "real-time": ("test_hosting_modes", "test_real_time", "v2"),
    "variants": ("test_hosting_modes", "test_variants", "v3"),
    "streaming": ("test_hosting_modes", "test_streams", "v2"),
    "batch": ("test_hosting_modes", "test_batch", "v3"),
    "serverless": ("test_serverless", "test_it_sleeps_and_wakes", "v2"),
    "async": ("test_async_inference", "test_answers_come_later", "v2"),
    "shadow": ("test_shadow", "test_a_new_model_is_compared_and_promoted", "v2"),
    "canary": ("test_canary", "test_a_bad_model_meets_a_tenth_of_the_requests", "v2"),
    "autoscaling": ("test_autoscaling", "test_up_and_down_to_zero", "v2"),
    "serial pipeline": ("test_pipelines", "test_a_serial_pipeline", "v2"),
    "containers": ("test_pipelines", "test_containers_that_requests_name", "v3"),
    "components": ("test_inference_components", "test_models_share_an_endpoint", "v2", [1, 1], [704_000]),
}


@pytest.mark.parametrize("mode", SERVING)
def test_serving(ray_server: TestServer, mode: str) -> None:
    """What the example's own test says of it, on the cluster."""
    module, name, *given = SERVING[mode]
    getattr(sdk_test(module), name)(ray_server, *given)


def test_many_models(ray_server: TestServer) -> None:
    found = run(ray_server, "v2", EXAMPLES / "multi_model" / "v2.py", "200")
    assert found["answered"] == 220
    assert found["listed"] == 200
    assert found["warm_ms"] < found["cold_ms"]
