"""Steps of pipelines that deploy: what exists already is updated."""

from __future__ import annotations

import pytest

from sagewright.testing.components import MODEL, SMALL, Composed
from sagewright.testing.executions import Pipelines, deployment, get, parameter
from sagewright.testing.jobs import Jobs
from sagewright.testing.models import PYTHON, archive
from sagewright.testing.names import unique
from sagewright.testing.server import TestServer

BROKEN = """
    def model_fn(d):
        raise ValueError("this model does not load")
"""


@pytest.fixture(scope="module")
def pipelines(server: TestServer) -> Pipelines:
    return Pipelines(Jobs(server, "deploying-bucket"))


def test_an_endpoint_is_made_and_then_updated(composed: Composed, pipelines: Pipelines) -> None:
    endpoint = unique("piped")
    url = composed.models.put(f"{endpoint}/model.tar.gz", archive(code__inference_py=MODEL))
    broken = composed.models.put(f"{endpoint}/broken/model.tar.gz", archive(code__inference_py=BROKEN))
    name = pipelines.create(
        deployment(endpoint, composed.models.role, PYTHON), [parameter("Says", "String", "one"), parameter("Data", "String", url)]
    )
    first = pipelines.start(name)
    assert pipelines.ended(first)["PipelineExecutionStatus"] == "Succeeded", pipelines.steps(first)
    assert pipelines.steps(first)["Deploy"]["Metadata"]["Endpoint"]["Arn"].endswith(f":endpoint/{endpoint}")
    assert composed.models.invoke(endpoint, "x", ContentType="text/csv")["Body"].decode().startswith("one ")
    second = pipelines.start(name, {"Says": "two"})
    assert pipelines.ended(second)["PipelineExecutionStatus"] == "Succeeded", pipelines.steps(second)
    assert composed.models.invoke(endpoint, "x", ContentType="text/csv")["Body"].decode().startswith("two ")
    # an update that is taken back has not been one: the endpoint is in service, and the step has failed
    third = pipelines.start(name, {"Data": broken})
    assert pipelines.ended(third)["PipelineExecutionStatus"] == "Failed"
    steps = pipelines.steps(third)
    assert {n: s["StepStatus"] for n, s in steps.items()} == {"Model": "Succeeded", "Configuration": "Succeeded", "Deploy": "Failed"}
    assert "this model does not load" in steps["Deploy"]["FailureReason"]
    assert composed.models.settled(endpoint)["EndpointConfigName"] == f"{endpoint}-{second.rpartition('/')[2]}"
    composed.sagemaker.delete_endpoint(EndpointName=endpoint)


def test_an_inference_component_is_made_and_then_updated(composed: Composed, pipelines: Pipelines) -> None:
    endpoint, component = composed.endpoint(), unique("part")
    url = composed.models.put(f"{component}/model.tar.gz", archive(code__inference_py=MODEL))
    place = {"Name": "Place", "Type": "InferenceComponent", "Arguments": {
        "InferenceComponentName": component, "EndpointName": endpoint, "VariantName": "AllTraffic", "RuntimeConfig": {"CopyCount": 1},
        "Specification": {"ModelName": get("Steps.Model.ModelName"), "ComputeResourceRequirements": SMALL}}}
    model = deployment(endpoint, composed.models.role, PYTHON)[0]
    name = pipelines.create([model, place], [parameter("Says", "String", "one"), parameter("Data", "String", url)])
    for says in ("one", "two"):
        arn = pipelines.start(name, {"Says": says})
        assert pipelines.ended(arn)["PipelineExecutionStatus"] == "Succeeded", pipelines.steps(arn)
        assert composed.ask(endpoint, component).startswith(f"{says} ")
