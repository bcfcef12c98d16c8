"""Models for tests: an inference script in a model.tar.gz, deployed through boto3 on the plain Python image."""

from __future__ import annotations

import io
import itertools
import re
import subprocess
import sys
import tarfile
import textwrap
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .. import slices
from .server import TestServer

PYTHON = "123456789012.dkr.ecr.us-east-1.amazonaws.com/python:3"
ECHO = """
    def model_fn(model_dir):
        return None

    def transform_fn(model, body, content_type, accept):
        return body, content_type
"""
SUM = """
    def model_fn(model_dir):
        return None

    def transform_fn(model, body, content_type, accept):
        text = body.decode() if isinstance(body, bytes) else body
        rows = [[float(cell) for cell in line.split(",")] for line in text.splitlines() if line]
        return "".join("%g\\n" % sum(row) for row in rows), "text/csv"
"""
_numbers = itertools.count(1)


def archive(**files: str) -> bytes:
    """A tar.gz; in names, ``__`` stands for a slash and a final ``_py`` for ``.py``."""
    return packed({
        name.replace("__", "/").removesuffix("_py") + (".py" if name.endswith("_py") else ""): textwrap.dedent(text).encode()
        for name, text in files.items()
    })


def packed(files: Mapping[str, bytes]) -> bytes:
    """A tar.gz."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def workflow(server: TestServer, folder: str) -> str:
    """What the first workflow of a slice's README prints when a new user runs it.

    The server is one that nothing else uses: a README gives its resources names that read well, which exist when it runs
    again, and looks for them by marks that others may bear too.
    """
    readme = Path(slices.__file__).parent / folder / "README.md"
    found = re.search(r"```python\n(.*?)```", readme.read_text(), re.DOTALL)
    assert found
    ran = subprocess.run([sys.executable, "-c", found[1]], env=server.environment(), capture_output=True, text=True, timeout=280, check=False)
    assert ran.returncode == 0, f"{ran.stderr}\n{server.log()}"
    return ran.stdout


class Models:
    """What tests of endpoints and batch transform do through the public API."""

    def __init__(self, server: TestServer) -> None:
        self.server = server
        self.sagemaker, self.s3, self.logs = server.client("sagemaker"), server.client("s3"), server.client("logs")
        self.runtime = server.client("sagemaker-runtime", config={"read_timeout": 70})
        self.role = f"arn:aws:iam::123456789012:role/{server.execution_role()}"
        self.bucket = f"models-{next(_numbers)}-{int(time.time() * 1000)}"
        self.s3.create_bucket(Bucket=self.bucket)

    def name(self, prefix: str = "m") -> str:
        return f"{prefix}-{next(_numbers)}-{int(time.time() * 1000) % 1_000_000}"

    def put(self, key: str, data: bytes | str) -> str:
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=data)
        return f"s3://{self.bucket}/{key}"

    def get(self, key: str) -> bytes:
        data: bytes = self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        return data

    def keys(self, prefix: str = "") -> list[str]:
        return [o["Key"] for o in self.s3.list_objects_v2(Bucket=self.bucket, Prefix=prefix).get("Contents", ())]

    def model(self, code: str = ECHO, *, env: dict[str, str] | None = None, **more: Any) -> str:
        """Create a model of an inference script; its name."""
        name = self.name()
        url = self.put(f"{name}/model.tar.gz", archive(code__inference_py=code))
        environment = {"SAGEMAKER_MODEL_SERVER_WORKERS": "1", **(env or {})}
        container = {"Image": PYTHON, "ModelDataUrl": url, "Environment": environment}
        given = {"PrimaryContainer": container, "ExecutionRoleArn": self.role, **more}
        self.sagemaker.create_model(ModelName=name, **given)
        return name

    def config(self, *models: str, weights: tuple[float, ...] = (), count: int = 1, names: tuple[str, ...] = ()) -> str:
        """Create an endpoint configuration with a variant a model; its name."""
        name = self.name("c")
        self.sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[
            {
                "VariantName": names[n] if names else "AllTraffic" if len(models) == 1 else f"v{n}", "ModelName": model,
                "InstanceType": "ml.m5.large", "InitialInstanceCount": count, "InitialVariantWeight": weights[n] if weights else 1.0,
            }
            for n, model in enumerate(models)
        ])
        return name

    def endpoint(self, config: str) -> str:
        """Create an endpoint; its name, at once."""
        name = self.name("e")
        self.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config)
        return name

    def settled(self, endpoint: str, seconds: float = 60) -> dict[str, Any]:
        """The endpoint's description once it is in service or failed."""
        end = time.monotonic() + seconds
        while True:
            about: dict[str, Any] = self.sagemaker.describe_endpoint(EndpointName=endpoint)
            if about["EndpointStatus"] in ("InService", "Failed"):
                return about
            if time.monotonic() > end:
                raise TimeoutError(f"{endpoint} is still {about['EndpointStatus']}:\n{self.server.log()}")
            time.sleep(0.05)

    def deploy(self, code: str = ECHO, **more: Any) -> str:
        """An endpoint of an inference script, in service; its name."""
        name = self.endpoint(self.config(self.model(code, **more)))
        about = self.settled(name)
        assert about["EndpointStatus"] == "InService", about.get("FailureReason")
        return name

    def invoke(self, endpoint: str, body: bytes | str = b"x", **more: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self.runtime.invoke_endpoint(EndpointName=endpoint, Body=body, **more)
        answer["Body"] = answer["Body"].read()
        return answer

    def delete(self, endpoint: str) -> None:
        """Delete an endpoint and wait until it is gone."""
        self.sagemaker.delete_endpoint(EndpointName=endpoint)
        self.sagemaker.get_waiter("endpoint_deleted").wait(EndpointName=endpoint)
