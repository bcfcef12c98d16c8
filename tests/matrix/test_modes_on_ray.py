"""Contract tests of the ways of serving whose instances are more than workers, with these on a Ray cluster: the sockets of many
models, of several containers and of sleepers are reached over relays, and each container's log comes back as its own."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from sagewright.testing.server import TestServer
from sagewright.testing.waiting import until

pytest.importorskip("ray")
pytestmark = [pytest.mark.xdist_group("ray"), pytest.mark.timeout(600)]
CONTRACT = Path(__file__).parent.parent / "contract"


def contract(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"contract_of_modes_on_ray_{name}", CONTRACT / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


sleeping, many, several = contract("test_serverless"), contract("test_multi_model"), contract("test_pipelines")
TAKEN: dict[Any, set[str]] = {
    sleeping: {
        "test_a_sleeping_endpoint_answers", "test_a_burst_on_a_sleeping_endpoint_is_answered_whole", "test_setup_time_is_measured",
        "test_memory_is_the_instance_s",
    },
    many: {
        "test_each_model_has_its_own_code_and_modules", "test_the_target_model_must_be_given_where_there_are_many_and_only_there",
        "test_a_model_that_cannot_be_loaded_says_why_and_harms_no_other", "test_metrics", "test_a_killed_worker_loses_nothing",
    },
    several: {
        "test_a_request_goes_through_all_containers", "test_a_pipeline_streams_its_last_answer", "test_a_failure_names_its_container",
        "test_each_container_has_its_log_and_its_metrics", "test_an_endpoint_whose_second_container_ends_fails_and_names_it",
        "test_one_container_of_a_pipeline_may_have_many_models",
    },
}
for _module, _names in TAKEN.items():
    globals().update({name: getattr(_module, name) for name in sorted(_names)})


def asleep(models: Any, endpoint: str) -> None:
    """As the contract tests have it, which look for the task beside the server."""
    (task,) = models.server.data.glob(f"ray/tasks/serve-{endpoint}-*")
    until(lambda: not sleeping.inside(task))


sleeping.asleep = asleep  # type: ignore[attr-defined]
echo, endpoint, made, serial = sleeping.echo, many.endpoint, contract("conftest").made, several.serial


@pytest.fixture(scope="module")
def server(ray_server: TestServer) -> TestServer:
    return ray_server


@pytest.fixture(scope="module")
def models(server: TestServer) -> Any:
    return many.Many(server)


@pytest.fixture(autouse=True)
def nothing_beside_the_server(server: TestServer) -> Iterator[None]:
    """Every task of the test has run on a node."""
    folder = server.data / "jobs"
    before = folder.stat().st_mtime_ns
    yield
    assert folder.stat().st_mtime_ns == before, "a task has run on the server's machine"
