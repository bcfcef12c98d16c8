"""Inference components as boto3 sees them: where their copies get room, and what is refused."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from sagewright.testing.components import MODEL, SMALL, Composed, code
from sagewright.testing.models import PYTHON, archive, workflow
from sagewright.testing.names import unique
from sagewright.testing.server import TestServer


def test_components_share_an_instance(composed: Composed) -> None:
    endpoint = composed.endpoint()
    first = composed.component(endpoint)
    url = composed.models.put("two/model.tar.gz", archive(code__inference_py=MODEL))
    second = unique("part")
    container = {"Image": PYTHON, "ArtifactUrl": url, "Environment": {"SAYS": "two", "SAGEMAKER_MODEL_SERVER_WORKERS": "1"}}
    composed.sagemaker.create_inference_component(
        InferenceComponentName=second, EndpointName=endpoint, VariantName="AllTraffic", RuntimeConfig={"CopyCount": 1},
        Specification={"Container": container, "ComputeResourceRequirements": SMALL},
    )
    about = composed.settled(second)
    assert about["InferenceComponentStatus"] == "InService", about
    assert about["Specification"]["Container"]["DeployedImage"]["SpecifiedImage"] == PYTHON
    assert about["Specification"]["Container"]["ArtifactUrl"] == url
    assert about["RuntimeConfig"] == {
        "DesiredCopyCount": 1, "CurrentCopyCount": 1, "PlacementStatus": [{"InstanceType": "ml.m5.large", "CurrentCopyCount": 1}],
    }
    assert about["EndpointArn"].endswith(f"endpoint/{endpoint}")
    assert composed.ask(endpoint, first).startswith("one ")
    assert composed.ask(endpoint, second).startswith("two ")
    answer = composed.models.invoke(endpoint, "x", InferenceComponentName=first)
    assert answer["InvokedProductionVariant"] == "AllTraffic"
    listed = composed.sagemaker.list_inference_components(EndpointNameEquals=endpoint, SortBy="Name", SortOrder="Ascending")["InferenceComponents"]
    assert [one["InferenceComponentName"] for one in listed] == sorted([first, second])
    assert {one["InferenceComponentStatus"] for one in listed} == {"InService"}
    with pytest.raises(ClientError) as raised:
        composed.sagemaker.delete_endpoint(EndpointName=endpoint)
    assert "has inference components" in code(raised)
    composed.delete(first)
    with pytest.raises(ClientError) as raised:
        composed.ask(endpoint, first)
    assert code(raised).startswith("ValidationError: Inference component")


def test_copies_answer_and_are_scaled(composed: Composed) -> None:
    endpoint = composed.endpoint(count=2)
    name = composed.component(endpoint, copies=2)
    assert composed.counts(name) == (2, 2)
    assert len({composed.ask(endpoint, name).split()[1] for _ in range(8)}) == 2
    composed.scale(name, 3)
    assert composed.settled(name)["RuntimeConfig"]["CurrentCopyCount"] == 3
    composed.scale(name, 1)
    assert composed.settled(name)["RuntimeConfig"] == {
        "DesiredCopyCount": 1, "CurrentCopyCount": 1, "PlacementStatus": [{"InstanceType": "ml.m5.large", "CurrentCopyCount": 1}],
    }
    assert len({composed.ask(endpoint, name).split()[1] for _ in range(4)}) == 1


def test_a_copy_has_no_more_memory_than_its_maximum(composed: Composed) -> None:
    endpoint = composed.endpoint()
    reserved = {"NumberOfCpuCoresRequired": 1, "MinMemoryRequiredInMb": 256, "MaxMemoryRequiredInMb": 512}
    hungry = composed.models.model("""
        def model_fn(d):
            return None

        def transform_fn(model, body, kind, accept):
            return str(len(bytearray(int(body)))), "text/plain"
    """)
    limited = composed.component(endpoint, needs=reserved, ModelName=hungry)
    assert composed.ask(endpoint, limited, "1000") == "1000"
    with pytest.raises(ClientError) as raised:
        composed.ask(endpoint, limited, str(4 << 30))
    assert code(raised).startswith("ModelError")


def test_instances_come_and_go_with_copies(composed: Composed) -> None:
    endpoint = composed.endpoint(managed={"MinInstanceCount": 0, "MaxInstanceCount": 2})
    name = composed.component(endpoint, copies=3)
    assert composed.instances(endpoint) == (2, 2)
    other = composed.create(endpoint, copies=2)
    about = composed.settled(other)
    assert about["InferenceComponentStatus"] == "InService"
    assert about["RuntimeConfig"]["CurrentCopyCount"] == 1
    assert "Not enough hardware resources" in about["FailureReason"]
    composed.scale(name, 1)
    composed.until(lambda: composed.counts(other) == (2, 2))
    assert "FailureReason" not in composed.about(other)
    composed.delete(other)
    composed.until(lambda: composed.instances(endpoint) == (1, 1))


def test_what_fits_nowhere_fails_and_says_so(composed: Composed) -> None:
    endpoint = composed.endpoint()
    name = composed.create(endpoint, needs={"NumberOfCpuCoresRequired": 3, "MinMemoryRequiredInMb": 256})
    about = composed.settled(name)
    assert about["InferenceComponentStatus"] == "Failed"
    assert about["FailureReason"].startswith("Not enough hardware resources on the instances")
    with pytest.raises(ClientError) as raised:
        composed.scale(name, 1)
    assert "Cannot update failed inference component" in code(raised)


def test_a_model_that_does_not_start_says_why(composed: Composed) -> None:
    endpoint = composed.endpoint()
    broken = composed.models.model("raise ImportError('no module named sails')")
    name = composed.create(endpoint, ModelName=broken)
    about = composed.settled(name)
    assert about["InferenceComponentStatus"] == "Failed"
    assert "no module named sails" in about["FailureReason"]
    assert f"/aws/sagemaker/InferenceComponents/{name}" in about["FailureReason"]


def test_endpoints_and_components_refuse_what_does_not_fit_them(composed: Composed) -> None:
    endpoint = composed.endpoint()
    with pytest.raises(ClientError) as raised:
        composed.models.invoke(endpoint, "x")
    assert "Inference Component Name header is required" in code(raised)
    name = composed.component(endpoint)
    with pytest.raises(ClientError) as raised:
        composed.sagemaker.create_inference_component(
            InferenceComponentName=name, EndpointName=endpoint, VariantName="AllTraffic", RuntimeConfig={"CopyCount": 1},
            Specification={"ModelName": composed.model, "ComputeResourceRequirements": SMALL})
    assert "Cannot create already existing inference component" in code(raised)
    for spec, text in (
        ({"ModelName": composed.model}, "ComputeResourceRequirements is required"),
        ({"BaseInferenceComponentName": name}, "adapter inference components) is not implemented: no image here serves adapters"),
        ({"ComputeResourceRequirements": SMALL}, "exactly one of ModelName and Container"),
        ({"ModelName": "no-such", "ComputeResourceRequirements": SMALL}, "Could not find model"),
    ):
        with pytest.raises(ClientError) as raised:
            composed.sagemaker.create_inference_component(
                InferenceComponentName=unique("part"), EndpointName=endpoint, VariantName="AllTraffic", Specification=spec)
        assert text in code(raised)
    with pytest.raises(ClientError) as raised:
        composed.sagemaker.create_inference_component(
            InferenceComponentName=unique("part"), EndpointName="no-such-endpoint", VariantName="AllTraffic",
            Specification={"ModelName": composed.model, "ComputeResourceRequirements": SMALL})
    assert "Could not find endpoint" in code(raised)
    with pytest.raises(ClientError) as raised:
        composed.sagemaker.create_endpoint_config(
            EndpointConfigName=unique("config"), ProductionVariants=[{"VariantName": "v", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}])
    assert "ExecutionRoleArn is required" in code(raised)


def test_components_are_listed_and_found_by_their_filters(composed: Composed) -> None:
    endpoint = composed.endpoint(managed={"MinInstanceCount": 0, "MaxInstanceCount": 1})
    names = sorted(composed.component(endpoint, copies=0) for _ in range(3))
    found: list[str] = []
    for page in composed.sagemaker.get_paginator("list_inference_components").paginate(
        EndpointNameEquals=endpoint, VariantNameEquals="AllTraffic", SortBy="Name", SortOrder="Ascending", PaginationConfig={"PageSize": 2},
    ):
        found += [one["InferenceComponentName"] for one in page["InferenceComponents"]]
    assert found == names
    assert composed.sagemaker.list_inference_components(NameContains=names[0])["InferenceComponents"][0]["EndpointName"] == endpoint
    assert not composed.sagemaker.list_inference_components(EndpointNameEquals=endpoint, StatusEquals="Failed")["InferenceComponents"]


def test_the_readmes_workflow(own_server: TestServer) -> None:
    assert workflow(own_server, "inference_components").split() == ["42.0", "63.0"]
