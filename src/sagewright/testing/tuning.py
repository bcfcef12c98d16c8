"""Helpers for tests and benchmarks that run tuning jobs through the public API."""

from __future__ import annotations

import io
import tarfile
import time
from typing import Any

from .jobs import PYTHON, Jobs

BOWL = """
import json
h = json.load(open("/opt/ml/input/config/hyperparameters.json"))
print("loss=%.9f;" % ((float(h["x"]) - 0.3) ** 2 + 0.01 * abs(int(h.get("n", 7)) - 7)), flush=True)
"""
"""A trial with a minimum at x = 0.3, n = 7."""
RANGES = {
    "ContinuousParameterRanges": [{"Name": "x", "MinValue": "0", "MaxValue": "1"}],
    "IntegerParameterRanges": [{"Name": "n", "MinValue": "1", "MaxValue": "20"}],
}
FINAL = ("Completed", "Failed", "Stopped")


class Tunings:
    """Creates and watches tuning jobs on a test server, as boto3 users do."""

    def __init__(self, jobs: Jobs) -> None:
        self.jobs, self.sagemaker = jobs, jobs.sagemaker

    def source(self, code: str) -> str:
        """A script archive of one program, in S3; its URI."""
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w:gz") as tar:
            member = tarfile.TarInfo("main.py")
            member.size = len(code.encode())
            tar.addfile(member, io.BytesIO(code.encode()))
        return self.jobs.put(f"code/{self.jobs.name('source')}/sourcedir.tar.gz", archive.getvalue())

    def definition(self, code: str = BOWL, static: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
        """A training job definition whose trials run ``code`` and print ``loss=...;``."""
        return {
            "AlgorithmSpecification": {
                "TrainingImage": PYTHON, "TrainingInputMode": "File",
                "MetricDefinitions": [{"Name": "loss", "Regex": r"loss=(\S+);"}],
            },
            "RoleArn": self.jobs.role,
            "OutputDataConfig": {"S3OutputPath": f"s3://{self.jobs.bucket}/out"},
            "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
            "StoppingCondition": {"MaxRuntimeInSeconds": 600},
            "StaticHyperParameters": {
                "sagemaker_program": "main.py", "sagemaker_submit_directory": self.source(code), **(static or {}),
            },
            **more,
        }

    def config(self, strategy: str = "Random", trials: int = 6, parallel: int = 3, **more: Any) -> dict[str, Any]:
        limits = {"MaxNumberOfTrainingJobs": trials, "MaxParallelTrainingJobs": parallel}
        return {
            "Strategy": strategy, "ResourceLimits": limits, "ParameterRanges": RANGES, "RandomSeed": 7,
            "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "loss"}, **more,
        }

    def create(self, config: dict[str, Any], definition: dict[str, Any] | None = None, **more: Any) -> str:
        """Start a tuning job; its name."""
        name = more.pop("HyperParameterTuningJobName", "") or self.jobs.name("tune")[-32:].lstrip("-")
        if definition is not None:
            more["TrainingJobDefinition"] = definition
        self.sagemaker.create_hyper_parameter_tuning_job(
            HyperParameterTuningJobName=name, HyperParameterTuningJobConfig=config, **more
        )
        return name

    def describe(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
        return found

    def ended(self, name: str, seconds: float = 120.0) -> dict[str, Any]:
        """Poll until the tuning job has ended; its description."""
        end = time.monotonic() + seconds
        while True:
            found = self.describe(name)
            if found["HyperParameterTuningJobStatus"] in FINAL:
                return found
            assert time.monotonic() < end, f"{name} is {found['HyperParameterTuningJobStatus']}: {found}"
            time.sleep(0.05)  # the API's own way for a plain client: poll

    def trials(self, name: str, **more: Any) -> list[dict[str, Any]]:
        """Every training job of a tuning job, page by page."""
        pages = self.sagemaker.get_paginator("list_training_jobs_for_hyper_parameter_tuning_job")
        said = {"PaginationConfig": {"PageSize": 100}, **more}
        return [t for page in pages.paginate(HyperParameterTuningJobName=name, **said) for t in page["TrainingJobSummaries"]]
