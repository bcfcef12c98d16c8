"""One tracking server for the tests that do not disturb it, and MLflow's own client, unmodified, in its own environment."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from sagewright.testing.server import TestServer

CLIENT = Path(__file__).parents[2] / ".cache" / "clients" / "mlflow" / "bin" / "python"
SCRIPTS = Path(__file__).parent / "scripts"


class Lab:
    """A tracking server on a test server, and what its users do."""

    def __init__(self, server: TestServer, name: str = "lab") -> None:
        self.server, self.name = server, name
        self.sagemaker, self.s3 = server.client("sagemaker"), server.client("s3")
        self.role = f"arn:aws:iam::123456789012:role/{server.execution_role()}"
        self.bucket = f"{name}-artifacts"
        self.arn = ""

    def create(self, **more: Any) -> Lab:
        self.s3.create_bucket(Bucket=self.bucket)
        self.arn = self.sagemaker.create_mlflow_tracking_server(
            TrackingServerName=self.name, ArtifactStoreUri=f"s3://{self.bucket}/mlflow", RoleArn=self.role, **more
        )["TrackingServerArn"]
        self.until("Created")
        return self

    def about(self) -> dict[str, Any]:
        found: dict[str, Any] = self.sagemaker.describe_mlflow_tracking_server(TrackingServerName=self.name)
        return found

    def until(self, status: str, seconds: float = 120.0) -> dict[str, Any]:
        """Poll until the server has a status; its description."""
        end = time.monotonic() + seconds
        while (about := self.about())["TrackingServerStatus"] != status:
            failed = about["TrackingServerStatus"].endswith("Failed") and not status.endswith("Failed")
            assert time.monotonic() < end, self.log()
            assert not failed, self.log()
            time.sleep(0.05)  # the API's own way for a plain client: poll
        return about

    def log(self) -> str:
        events = self.server.client("logs").filter_log_events(logGroupName="/aws/sagemaker/MlflowServers")["events"]
        return "\n".join(e["message"] for e in events)

    def url(self, **more: Any) -> str:
        """A presigned URL."""
        given = {"TrackingServerName": self.name, **more}
        return str(self.sagemaker.create_presigned_mlflow_tracking_server_url(**given)["AuthorizedUrl"])

    def signed(
        self, method: str, path: str, document: Any = None, *, keys: dict[str, str] | None = None, service: str = "sagemaker-mlflow", arn: str = "",
        tamper: bytes = b"",
    ) -> httpx.Response:
        """A REST call as the plugin signs it, without its client's half minute of imports. ``tamper``: sent instead of what was signed."""
        found = self.server.credentials()
        who = Credentials(keys["AWS_ACCESS_KEY_ID"], keys["AWS_SECRET_ACCESS_KEY"]) if keys else Credentials(found["access_key"], found["secret_key"])
        body = json.dumps(document).encode() if document is not None else b""
        headers = {"x-mlflow-sm-tracking-server-arn": arn or self.arn, "x-amz-content-sha256": hashlib.sha256(body).hexdigest()}
        headers |= {"content-type": "application/json"} if body else {}
        request = AWSRequest(method, self.server.url + path, headers=headers, data=body)
        SigV4Auth(who, service, "us-east-1").add_auth(request)
        return httpx.request(method, self.server.url + path, headers=dict(request.headers.items()), content=tamper or body, timeout=60)

    def experiments(self) -> list[str]:
        answer = self.signed("GET", "/api/2.0/mlflow/experiments/search?max_results=500")
        assert answer.status_code == 200, answer.text
        return [e["name"] for e in answer.json()["experiments"]]

    def make(self, name: str) -> str:
        """A new experiment's id."""
        answer = self.signed("POST", "/api/2.0/mlflow/experiments/create", {"name": name})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["experiment_id"])

    def run(self, script: str, *argv: str, ok: bool = True, **env: str) -> dict[str, Any]:
        """What a script of MLflow's client prints after RESULT; with ``ok`` False its process as it ended."""
        assert CLIENT.exists(), f"{CLIENT} is missing: run `make clients`"
        environ = {**self.server.environment(), "MLFLOW_TRACKING_URI": self.arn, "GIT_PYTHON_REFRESH": "quiet", **env}
        done = subprocess.run(
            [str(CLIENT), str(SCRIPTS / script), *argv], env=environ, capture_output=True, text=True, timeout=250
        )
        if not ok:
            return {"code": done.returncode, "text": done.stdout + done.stderr}
        assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}\n{self.server.log()}"
        return json.loads(next(line for line in done.stdout.splitlines() if line.startswith("RESULT "))[7:])  # type: ignore[no-any-return]


@pytest.fixture(scope="package")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    with TestServer(tmp_path_factory.mktemp("mlflow") / "data") as server:
        yield Lab(server).create(AutomaticModelRegistration=True)
