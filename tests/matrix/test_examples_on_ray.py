"""The examples of training and of every mode of serving, unchanged, on a Ray cluster of three nodes: the same results as with
local processes, which tests/sdk has."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
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


TRAINING = {
    "scikit-learn": ("test_frameworks", "test_scikit_learn_with_requirements"),
    "DDP on 2 hosts": ("test_frameworks", "test_pytorch_on_two_hosts_trains_one_model"),
    "MPI on 3 hosts": ("test_frameworks", "test_mpi_on_three_hosts"),
    "spot": ("test_spot", "test_two_interruptions_do_not_change_the_model"),
    "Hugging Face": ("test_frameworks", "test_hugging_face_fine_tune"),
    "FastFile": ("test_fastfile", "test_a_job_over_ten_gibibytes_reads_one_percent"),
}


@pytest.mark.parametrize("sdk", ["v2", "v3"])
@pytest.mark.parametrize("kind", TRAINING)
def test_training(ray_server: TestServer, tmp_path_factory: pytest.TempPathFactory, kind: str, sdk: str) -> None:
    """What the example's own test says of it, on the cluster; and that it finds what it finds with local processes (``agree``)."""
    module, name = TRAINING[kind]
    getattr(sdk_test(module), name)(ray_server, tmp_path_factory, sdk)


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
    "canary": ("test_canary", "a_bad_model_meets_a_tenth_of_the_requests"),
    "autoscaling": ("test_autoscaling", "up_and_down_to_zero"),
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
