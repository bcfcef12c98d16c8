"""Helpers for tests that run jobs through the public API."""

from __future__ import annotations

import io
import time
from collections.abc import Iterable
from typing import Any

from .names import unique
from .server import TestServer

PYTHON = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-base-python:3.11"
XGBOOST = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"
ENDS = {"Completed", "Failed", "Stopped"}


class Jobs:
    """Creates and watches jobs on a test server, as boto3 users do."""

    def __init__(self, server: TestServer, bucket: str = "jobs-bucket") -> None:
        self.server, self.bucket = server, bucket
        self.sagemaker, self.s3, self.logs = server.client("sagemaker"), server.client("s3"), server.client("logs")
        self.s3.create_bucket(Bucket=bucket)
        account = server.client("sts").get_caller_identity()["Account"]
        self.role = f"arn:aws:iam::{account}:role/{server.execution_role()}"

    def name(self, stem: str) -> str:
        return f"{unique(stem)}-{int(time.time())}"

    def put(self, key: str, body: bytes | str) -> str:
        """Store an object; its URI."""
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body)
        return f"s3://{self.bucket}/{key}"

    def get(self, uri: str) -> bytes:
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        return self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()  # type: ignore[no-any-return]

    def train(self, code: str = "", *, image: str = PYTHON, data: str = "", **more: Any) -> str:
        """Start a job that runs ``code`` with the plain Python image, unless ``more`` says otherwise; its name."""
        name = more.pop("TrainingJobName", "") or self.name("job")
        algorithm = {"TrainingImage": image, "TrainingInputMode": "File", **more.pop("AlgorithmSpecification", {})}
        if code:
            # an argument has at most 256 characters on the wire
            source = self.put(f"code/{name}/main.py", code)
            algorithm["ContainerEntrypoint"] = ["python3", "/opt/ml/input/data/code/main.py"]
            more["InputDataConfig"] = [*more.get("InputDataConfig", []), self.channel("code", source.removesuffix("main.py"))]
        if data:
            more["InputDataConfig"] = [*more.get("InputDataConfig", []), self.channel("train", data)]
        self.sagemaker.create_training_job(**{
            "TrainingJobName": name,
            "RoleArn": self.role,
            "AlgorithmSpecification": algorithm,
            "OutputDataConfig": {"S3OutputPath": f"s3://{self.bucket}/out"},
            "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
            "StoppingCondition": {"MaxRuntimeInSeconds": 600},
            **more,
        })
        return name

    def channel(self, name: str, uri: str, **more: Any) -> dict[str, Any]:
        source = {"S3DataType": "S3Prefix", "S3Uri": uri, **more}
        return {"ChannelName": name, "DataSource": {"S3DataSource": source}}

    def until(self, name: str, statuses: Iterable[str], seconds: float = 60.0) -> dict[str, Any]:
        """Poll until the job's primary or secondary status is one of ``statuses``; its description."""
        wanted, end, pause = set(statuses), time.monotonic() + seconds, 0.02
        while True:
            job: dict[str, Any] = self.sagemaker.describe_training_job(TrainingJobName=name)
            if wanted & {job["TrainingJobStatus"], job["SecondaryStatus"]}:
                return job
            if time.monotonic() > end or job["TrainingJobStatus"] in ENDS:
                raise AssertionError(f"{name} is {job['TrainingJobStatus']}/{job['SecondaryStatus']}: {job.get('FailureReason')}\n{self.log(name)}")
            time.sleep(pause)  # the API's own way for a plain client: poll
            if wanted <= ENDS:  # which do not pass; a job on a small machine needs the time that many questions take
                pause = min(pause * 1.2, 0.1)

    def ended(self, name: str, seconds: float = 90.0) -> dict[str, Any]:
        return self.until(name, ENDS, seconds)

    def log(self, name: str, group: str = "/aws/sagemaker/TrainingJobs") -> str:
        """Every log line of a job."""
        try:
            events = self.logs.filter_log_events(logGroupName=group, logStreamNamePrefix=f"{name}/")["events"]
        except self.logs.exceptions.ResourceNotFoundException:
            return ""
        return "\n".join(e["message"] for e in events)

    def members(self, uri: str) -> dict[str, bytes]:
        """The files of a tar.gz object."""
        import tarfile

        with tarfile.open(fileobj=io.BytesIO(self.get(uri))) as archive:
            return {m.name: archive.extractfile(m).read() for m in archive if m.isfile()}  # type: ignore[union-attr]
