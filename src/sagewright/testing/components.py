"""Endpoints of inference components, for tests that deploy them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from .models import Models
from .names import unique
from .server import TestServer
from .waiting import until

MODEL = """
    import os, time

    ME = os.urandom(4).hex()  # process ids are the same in every sandbox

    def model_fn(d):
        return os.environ.get("SAYS", "one")

    def transform_fn(model, body, kind, accept):
        text = body.decode() if isinstance(body, bytes) else body
        if text == "die":
            os._exit(3)
        if text == "fail":
            raise ValueError("no such flight")
        if text.startswith("sleep "):
            time.sleep(float(text.split()[1]))  # the model takes as long as it is asked to
        return "%s %s %s" % (model, ME, text), "text/plain"
"""
SMALL = {"NumberOfCpuCoresRequired": 1, "MinMemoryRequiredInMb": 256}
"""Two of them fill the cores of an ml.m5.large."""


class Composed:
    """Endpoints of components and what is around them."""

    def __init__(self, server: TestServer) -> None:
        self.models = Models(server)
        self.sagemaker, self.runtime = self.models.sagemaker, self.models.runtime
        self.metrics = server.client("cloudwatch")
        self.model = self.models.model(MODEL)
        self.made: list[str] = []

    def config(self, *, count: int = 1, managed: dict[str, Any] | None = None, kind: str = "ml.m5.large", **more: Any) -> str:
        name = self.models.name("ic")
        variant = {"VariantName": "AllTraffic", "InstanceType": kind, "InitialInstanceCount": count}
        if managed is not None:
            variant["ManagedInstanceScaling"] = {"Status": "ENABLED", **managed}
        given = {"ProductionVariants": [variant], "ExecutionRoleArn": self.models.role, **more}
        self.sagemaker.create_endpoint_config(EndpointConfigName=name, **given)
        return name

    def endpoint(self, **more: Any) -> str:
        name = self.models.endpoint(self.config(**more))
        assert self.models.settled(name)["EndpointStatus"] == "InService"
        self.made.append(name)
        return name

    def create(self, endpoint: str, *, copies: int = 1, needs: dict[str, Any] | None = None, **spec: Any) -> str:
        name = unique("part")
        self.sagemaker.create_inference_component(
            InferenceComponentName=name, EndpointName=endpoint, VariantName="AllTraffic", RuntimeConfig={"CopyCount": copies},
            Specification={"ModelName": self.model, "ComputeResourceRequirements": needs or SMALL, **spec},
        )
        return name

    def component(self, endpoint: str, **more: Any) -> str:
        name = self.create(endpoint, **more)
        about = self.settled(name)
        assert about["InferenceComponentStatus"] == "InService", about
        return name

    def about(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.sagemaker.describe_inference_component(InferenceComponentName=name)
        return found

    def settled(self, name: str) -> dict[str, Any]:
        ended: dict[str, Any] = self.until(lambda: about if (about := self.about(name))["InferenceComponentStatus"] in ("InService", "Failed") else None)
        return ended

    def until(self, what: Callable[[], Any]) -> Any:
        return until(what, why=lambda: f"it did not come\n{self.models.server.log()}")

    def counts(self, name: str) -> tuple[int, int]:
        runtime = self.about(name)["RuntimeConfig"]
        return runtime["CurrentCopyCount"], runtime["DesiredCopyCount"]

    def instances(self, endpoint: str) -> tuple[int, int]:
        variant = self.sagemaker.describe_endpoint(EndpointName=endpoint)["ProductionVariants"][0]
        return variant["CurrentInstanceCount"], variant["DesiredInstanceCount"]

    def scale(self, name: str, copies: int) -> None:
        self.sagemaker.update_inference_component_runtime_config(InferenceComponentName=name, DesiredRuntimeConfig={"CopyCount": copies})

    def ask(self, endpoint: str, name: str, text: str = "hello") -> str:
        answer = self.models.invoke(endpoint, text, InferenceComponentName=name, ContentType="text/csv")
        found: str = answer["Body"].decode()
        return found

    def delete(self, name: str) -> None:
        self.sagemaker.delete_inference_component(InferenceComponentName=name)
        self.until(lambda: self.missing(name))

    def missing(self, name: str) -> bool:
        try:
            self.about(name)
        except ClientError as error:
            if "Could not find inference component" not in error.response["Error"]["Message"]:
                raise
            return True
        return False

    def clean(self) -> None:
        for endpoint in self.made:
            for one in self.sagemaker.list_inference_components(EndpointNameEquals=endpoint, MaxResults=100)["InferenceComponents"]:
                self.delete(one["InferenceComponentName"])
            self.models.delete(endpoint)
        self.made.clear()


def code(error: pytest.ExceptionInfo[ClientError]) -> str:
    """The code and the message of an error that a call had."""
    return f"{error.value.response['Error']['Code']}: {error.value.response['Error']['Message']}"
