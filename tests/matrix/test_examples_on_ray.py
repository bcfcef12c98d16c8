"""The examples of training and of every mode of serving, unchanged, on a Ray cluster of three nodes: the same results as with
local processes, which tests/sdk has."""

from __future__ import annotations

import importlib.util
import io
import json
import tarfile
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from sagewright.testing.backends import agree
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


def test_a_scikit_learn_script(ray_server: TestServer, tmp_path_factory: pytest.TempPathFactory) -> None:
    agree(tmp_path_factory, "sklearn-v3", "ray", run(ray_server, "v3", EXAMPLES / "sklearn_script" / "v3.py", timeout=600))


def test_data_parallel_training_on_two_hosts(ray_server: TestServer, tmp_path_factory: pytest.TempPathFactory) -> None:
    report = member(ray_server, run(ray_server, "v2", EXAMPLES / "pytorch_ddp" / "v2.py", timeout=600), "report.json")
    assert (report["processes"], report["same_weights"]) == (2, True)
    agree(tmp_path_factory, "ddp", "ray", report)


def test_mpi_on_three_hosts(ray_server: TestServer, tmp_path_factory: pytest.TempPathFactory) -> None:
    model = member(ray_server, run(ray_server, "v2", EXAMPLES / "mpi" / "v2.py", timeout=600), "model.json")
    assert model["hosts"] == ["algo-1", "algo-2", "algo-3"]
    agree(tmp_path_factory, "mpi", "ray", model["weights"], within=1e-9)


def test_spot_interruptions(ray_server: TestServer) -> None:
    found = run(ray_server, "v2", EXAMPLES / "xgboost_spot" / "v2.py", timeout=800)
    assert found["statuses"].count("Interrupted") == 2
    assert found["same"]


def test_a_hugging_face_fine_tune(ray_server: TestServer, tmp_path_factory: pytest.TempPathFactory) -> None:
    metrics = run(ray_server, "v2", EXAMPLES / "huggingface" / "v2.py", timeout=800)["metrics"]
    agree(tmp_path_factory, "huggingface", "ray", metrics["eval:accuracy"], within=0.05)


def test_one_percent_of_ten_gibibytes(ray_server: TestServer) -> None:
    found = run(ray_server, "v3", EXAMPLES / "fastfile" / "v3.py", timeout=800)
    assert found["metrics"]["channel:bytes"] == 10 * 2**30
    assert member(ray_server, found, "found.json")["wrong"] == 0


@pytest.mark.parametrize("sdk", ["v2", "v3"])
def test_many_models(ray_server: TestServer, sdk: str) -> None:
    found = run(ray_server, sdk, EXAMPLES / "multi_model" / f"{sdk}.py", "1000")
    assert found["answered"] == 1100
    assert found.get("listed", 1000) == 1000, "only the script of v2 lists them"
    assert found["warm_ms"] < found["cold_ms"]


SERVING = {
    "real-time": ("test_hosting_modes", "test_real_time"),
    "variants": ("test_hosting_modes", "test_variants"),
    "streaming": ("test_hosting_modes", "test_streams"),
    "batch": ("test_hosting_modes", "test_batch"),
    "serverless": ("test_serverless", "test_it_sleeps_and_wakes"),
    "async": ("test_async_inference", "test_answers_come_later"),
    "shadow": ("test_shadow", "test_a_new_model_is_compared_and_promoted"),
    "serial pipeline": ("test_pipelines", "test_a_serial_pipeline"),
    "containers": ("test_pipelines", "test_containers_that_requests_name"),
    "components": ("test_inference_components", "test_models_share_an_endpoint"),
    "canary": ("test_canary", "test_a_bad_model_meets_a_tenth_of_the_requests"),
    "autoscaling": ("test_autoscaling", "test_up_and_down_to_zero"),
}
GIVEN: dict[tuple[str, str], list[Any]] = {("components", "v2"): [[1, 1], [704_000]], ("components", "v3"): [[2, 2], [804_000]]}
"""What a mode's test is given besides the SDK."""
SLOW = ("canary", "autoscaling")
"""They wait for alarms, which look at most every ten seconds, and do little meanwhile."""


def carry_out(server: TestServer, mode: str, sdk: str) -> None:
    """What the example's own test says of it, on the cluster."""
    module, name = SERVING[mode]
    getattr(sdk_test(module), name)(server, sdk, *GIVEN.get((mode, sdk), []))


@pytest.fixture(scope="module", autouse=True)
def ahead(request: pytest.FixtureRequest, ray_server: TestServer) -> Iterator[dict[tuple[str, str], Future[None]]]:
    """The slow ones that were asked for; they go on beside the tests of the others."""
    asked = {item.name for item in request.session.items if item.path == request.path}
    slow = [(mode, sdk) for mode in SLOW for sdk in ("v2", "v3") if f"test_serving[{sdk}-{mode}]" in asked]
    with ThreadPoolExecutor() as pool:
        yield {each: pool.submit(carry_out, ray_server, *each) for each in slow}


@pytest.mark.parametrize("mode", SERVING)
@pytest.mark.parametrize("sdk", ["v2", "v3"])
def test_serving(ray_server: TestServer, ahead: dict[tuple[str, str], Future[None]], mode: str, sdk: str) -> None:
    slow = ahead.get((mode, sdk))
    slow.result() if slow else carry_out(ray_server, mode, sdk)
