"""Models of several containers, for tests that deploy them."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from .models import PYTHON, Models, archive
from .names import unique

STEP = """
    import json, os

    def model_fn(model_dir):
        print("loaded", os.environ["STEP"])
        return None

    def transform_fn(model, body, kind, accept, context=None):
        text = body.decode() if isinstance(body, bytes) else body
        step = os.environ["STEP"]
        seen = json.loads(text) if kind == "application/json" else [["client", kind, text]]
        if step in seen[0][2].split():
            raise ValueError("not " + step)
        seen.append([step, kind, accept])
        return json.dumps(seen), "application/json"
"""
"""Each container adds who it is, and what it was sent, to a list that begins with what the client said."""


class Pipelines:
    """What the tests make."""

    def __init__(self, models: Models) -> None:
        self.models, self.sagemaker = models, models.sagemaker
        self.data = models.put(f"{unique('step')}/model.tar.gz", archive(code__inference_py=STEP))

    def container(self, step: str, **more: Any) -> dict[str, Any]:
        env = {"SAGEMAKER_MODEL_SERVER_WORKERS": "1", "STEP": step, **more.pop("Environment", {})}
        return {"Image": PYTHON, "ModelDataUrl": self.data, "Environment": env, **more}

    def model(self, *given: dict[str, Any], **more: Any) -> str:
        name = unique("pipeline")
        self.sagemaker.create_model(ModelName=name, Containers=list(given), ExecutionRoleArn=self.models.role, **more)
        return name

    def deploy(self, *given: dict[str, Any], **more: Any) -> str:
        name = self.models.endpoint(self.models.config(self.model(*given, **more)))
        about = self.models.settled(name)
        assert about["EndpointStatus"] == "InService", about.get("FailureReason")
        return name

    def refused(self, *given: dict[str, Any], **more: Any) -> str:
        with pytest.raises(ClientError) as caught:
            self.model(*given, **more)
        assert caught.value.response["Error"]["Code"] == "ValidationException"
        return str(caught.value.response["Error"]["Message"])
