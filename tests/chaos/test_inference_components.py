"""Inference components whose server is killed: while copies start, while they serve, while they are scaled and updated."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from sagewright.testing.models import Models
from sagewright.testing.server import TestServer

SAYS = """
    import os

    ME = os.urandom(4).hex()

    def model_fn(d):
        return os.environ["SAYS"]

    def transform_fn(model, body, kind, accept):
        return model + " " + ME, "text/plain"
"""
NEEDS = {"NumberOfCpuCoresRequired": 0.5, "MinMemoryRequiredInMb": 256}


class Components:
    """A server that is killed again and again, and one endpoint on it."""

    def __init__(self, server: TestServer) -> None:
        self.server, self.models = server, Models(server)
        self.sagemaker = self.models.sagemaker
        self.one, self.two = (self.models.model(SAYS, env={"SAYS": says}) for says in ("one", "two"))
        self.sagemaker.create_endpoint_config(
            EndpointConfigName="host", ExecutionRoleArn=self.models.role, ProductionVariants=[{
                "VariantName": "v", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1,
                "ManagedInstanceScaling": {"Status": "ENABLED", "MinInstanceCount": 0, "MaxInstanceCount": 3}}])
        self.sagemaker.create_endpoint(EndpointName="host", EndpointConfigName="host")
        self.models.settled("host")

    def create(self, name: str, copies: int) -> None:
        self.sagemaker.create_inference_component(
            InferenceComponentName=name, EndpointName="host", VariantName="v", RuntimeConfig={"CopyCount": copies},
            Specification={"ModelName": self.one, "ComputeResourceRequirements": NEEDS})

    def restart(self) -> None:
        self.server.kill()
        self.server.start()

    def about(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.sagemaker.describe_inference_component(InferenceComponentName=name)
        return found

    def until(self, what: Callable[[], Any], seconds: float = 60) -> Any:
        end = time.monotonic() + seconds
        while True:
            try:
                if found := what():
                    return found
            except (BotoCoreError, ClientError):
                pass
            assert time.monotonic() < end, f"it did not come\n{self.server.log()}"
            time.sleep(0.02)  # the API is polled, as its users do: the server is being killed

    def settled(self, name: str, copies: int) -> None:
        def there() -> bool:
            about = self.about(name)
            assert about["InferenceComponentStatus"] != "Failed", about
            return about["InferenceComponentStatus"] == "InService" and about["RuntimeConfig"]["CurrentCopyCount"] == copies

        self.until(there)

    def answers(self, name: str) -> set[str]:
        """What a number of requests hear; every one of them must hear something."""
        return {self.models.invoke("host", "x", InferenceComponentName=name)["Body"].decode() for _ in range(8)}


def test_a_killed_server_loses_no_copy(tmp_path: Path) -> None:
    with TestServer(tmp_path / "data") as server:
        host = Components(server)
        host.create("part", 2)
        host.restart()  # while its copies start
        host.settled("part", 2)
        before = host.answers("part")
        assert {answer.split()[0] for answer in before} == {"one"}
        assert len(before) == 2

        host.sagemaker.update_inference_component_runtime_config(InferenceComponentName="part", DesiredRuntimeConfig={"CopyCount": 6})
        host.restart()  # while instances and copies are added
        host.settled("part", 6)
        (variant,) = host.sagemaker.describe_endpoint(EndpointName="host")["ProductionVariants"]
        assert variant["CurrentInstanceCount"] == 2
        everybody = host.until(lambda: found if len(found := host.answers("part")) == 6 else None)
        assert before <= everybody  # the same processes, adopted

        host.sagemaker.update_inference_component(
            InferenceComponentName="part", Specification={"ModelName": host.two, "ComputeResourceRequirements": NEEDS},
            DeploymentConfig={"RollingUpdatePolicy": {"MaximumBatchSize": {"Type": "COPY_COUNT", "Value": 2}, "WaitIntervalInSeconds": 0}})
        host.restart()  # in the middle of a batch
        host.settled("part", 6)
        assert {answer.split()[0] for answer in host.answers("part")} == {"two"}

        host.sagemaker.delete_inference_component(InferenceComponentName="part")
        host.until(lambda: not host.sagemaker.list_inference_components()["InferenceComponents"])
        host.until(lambda: host.sagemaker.describe_endpoint(EndpointName="host")["ProductionVariants"][0]["CurrentInstanceCount"] == 0)
        host.models.delete("host")
        host.until(lambda: not [p for p in (tmp_path / "data" / "jobs").iterdir() if not p.name.startswith(".")])
