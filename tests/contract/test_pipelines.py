"""Serial inference pipelines and multi-container endpoints, as boto3 sees them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagewright.testing.models import PYTHON, Models, archive
from sagewright.testing.names import unique
from sagewright.testing.server import TestServer

STEP = """
    import json, os

    def model_fn(model_dir):
        return None

    def transform_fn(model, body, kind, accept, context=None):
        text = body.decode() if isinstance(body, bytes) else body
        seen = json.loads(text) if kind == "application/json" else []
        if text == os.environ.get("FAILS_ON"):
            raise ValueError("no " + text)
        seen.append([os.environ["STEP"], kind, accept, text if kind != "application/json" else ""])
        return json.dumps(seen), "application/json"
"""


@pytest.fixture(scope="module")
def models(server: TestServer) -> Models:
    return Models(server)


class Pipelines:
    """What these tests make."""

    def __init__(self, models: Models) -> None:
        self.models, self.sagemaker = models, models.sagemaker

    def container(self, step: str, code: str = STEP, **env: str) -> dict[str, Any]:
        url = self.models.put(f"{unique('step')}/model.tar.gz", archive(code__inference_py=code))
        return {"Image": PYTHON, "ModelDataUrl": url, "Environment": {"SAGEMAKER_MODEL_SERVER_WORKERS": "1", "STEP": step, **env}}

    def model(self, *containers: dict[str, Any], mode: str = "", **more: Any) -> str:
        name = unique("pipeline")
        if mode:
            more["InferenceExecutionConfig"] = {"Mode": mode}
        self.sagemaker.create_model(ModelName=name, Containers=list(containers), ExecutionRoleArn=self.models.role, **more)
        return name

    def deploy(self, *containers: dict[str, Any], mode: str = "") -> str:
        name = self.models.endpoint(self.models.config(self.model(*containers, mode=mode)))
        about = self.models.settled(name)
        assert about["EndpointStatus"] == "InService", about.get("FailureReason")
        return name


@pytest.fixture(scope="module")
def made(models: Models) -> Pipelines:
    return Pipelines(models)


@pytest.fixture(scope="module")
def serial(models: Models, made: Pipelines) -> Iterator[str]:
    name = made.deploy(made.container("a", FAILS_ON="bad"), made.container("b"), made.container("c"))
    yield name
    models.delete(name)


def test_a_request_goes_through_all_containers(models: Models, serial: str) -> None:
    answer = models.invoke(serial, b"1,2", ContentType="text/csv", Accept="application/json")
    assert answer["ContentType"] == "application/json"
    seen = json.loads(answer["Body"])
    assert [step for step, *_ in seen] == ["a", "b", "c"]
    assert seen[0][1:] == ["text/csv", seen[0][2], "1,2"]
    assert seen[2][1:3] == ["application/json", "application/json"]


def test_a_failure_names_its_container(models: Models, serial: str) -> None:
    with pytest.raises(ClientError) as caught:
        models.invoke(serial, b"bad", ContentType="text/csv")
    error = caught.value.response
    assert error["Error"]["Code"] == "ModelError"
    assert "from container-1 with message" in error["Error"]["Message"]
    assert error["LogStreamArn"].endswith("/container-1")
