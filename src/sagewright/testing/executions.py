"""Pipelines whose steps are small real jobs, for tests that carry them out by boto3."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from .jobs import PYTHON, Jobs
from .waiting import until

TRAIN = """
import json, os, time
h = json.load(open("/opt/ml/input/config/hyperparameters.json"))
time.sleep(float(h.get("seconds", "0")))
if h.get("fail"):
    open("/opt/ml/output/failure", "w").write(h["fail"])
    raise SystemExit(1)
json.dump(h, open("/opt/ml/model/model.json", "w"))
print("loss=%s;" % h.get("value", "1"), flush=True)
"""
"""Keeps its hyperparameters as its model, after so many ``seconds``; or fails with the message ``fail``."""
REPORT = """
import json, sys
json.dump({"metrics": {"accuracy": float(sys.argv[1])}, "list": [1, {"name": "b"}]}, open("/opt/ml/processing/report/report.json", "w"))
"""
RUNNING = ("Executing", "Stopping")


class Pipelines:
    """Creates pipelines on a test server and carries them out."""

    def __init__(self, jobs: Jobs) -> None:
        self.jobs, self.sagemaker = jobs, jobs.sagemaker
        self.train = jobs.put("code/train/main.py", TRAIN).removesuffix("main.py")
        self.report = jobs.put("code/report/main.py", REPORT)

    def training(self, name: str, values: dict[str, Any] | None = None, arguments: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
        """A Training step that has ``values`` for hyperparameters; ``more`` of the step, ``arguments`` of its request."""
        return {"Name": name, "Type": "Training", **more, "Arguments": {
            "RoleArn": self.jobs.role,
            "AlgorithmSpecification": {
                "TrainingImage": PYTHON, "TrainingInputMode": "File",
                "ContainerEntrypoint": ["python3", "/opt/ml/input/data/code/main.py"],
                "MetricDefinitions": [{"Name": "loss", "Regex": r"loss=(\S+);"}],
            },
            "HyperParameters": values or {},
            "InputDataConfig": [self.jobs.channel("code", self.train)],
            "OutputDataConfig": {"S3OutputPath": f"s3://{self.jobs.bucket}/out"},
            "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
            "StoppingCondition": {"MaxRuntimeInSeconds": 600},
            **(arguments or {}),
        }}

    def processing(self, name: str, value: Any, **more: Any) -> dict[str, Any]:
        """A Processing step that reports ``value`` as the property file ``report``, ``metrics.accuracy``."""
        return {
            "Name": name, "Type": "Processing", **more,
            "PropertyFiles": [{"PropertyFileName": "report", "OutputName": "report", "FilePath": "report.json"}],
            "Arguments": {
                "RoleArn": self.jobs.role,
                "AppSpecification": {
                    "ImageUri": PYTHON, "ContainerEntrypoint": ["python3", "/opt/ml/processing/code/main.py"], "ContainerArguments": [value],
                },
                "ProcessingResources": {"ClusterConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}},
                "ProcessingInputs": [{"InputName": "code", "S3Input": {
                    "S3Uri": self.report, "LocalPath": "/opt/ml/processing/code", "S3DataType": "S3Prefix", "S3InputMode": "File"}}],
                "ProcessingOutputConfig": {"Outputs": [{"OutputName": "report", "S3Output": {
                    "S3Uri": {"Std:Join": {"On": "/", "Values": [f"s3://{self.jobs.bucket}", {"Get": "Execution.PipelineExecutionId"}, name]}},
                    "LocalPath": "/opt/ml/processing/report", "S3UploadMode": "EndOfJob"}}]},
            },
        }

    def create(self, steps: Sequence[dict[str, Any]], parameters: Sequence[dict[str, Any]] = (), **more: Any) -> str:
        """A pipeline of these steps; its name."""
        name = more.pop("PipelineName", "") or self.jobs.name("pipeline")
        body = definition(steps, parameters, **{k: more.pop(k) for k in ("PipelineExperimentConfig",) if k in more})
        self.sagemaker.create_pipeline(PipelineName=name, PipelineDefinition=body, RoleArn=self.jobs.role, **more)
        return name

    def start(self, name: str, parameters: dict[str, str] | None = None, **more: Any) -> str:
        """Begin an execution; its ARN."""
        given = [{"Name": k, "Value": v} for k, v in (parameters or {}).items()]
        arn: str = self.sagemaker.start_pipeline_execution(PipelineName=name, PipelineParameters=given, **more)["PipelineExecutionArn"]
        return arn

    def describe(self, arn: str) -> dict[str, Any]:
        found: dict[str, Any] = self.sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn)
        return found

    def ended(self, arn: str, seconds: float = 120.0) -> dict[str, Any]:
        """The description of an execution once it has ended."""
        until(lambda: self.describe(arn)["PipelineExecutionStatus"] not in RUNNING, seconds, lambda: f"{self.describe(arn)}\n{self.steps(arn)}")
        return self.describe(arn)

    def steps(self, arn: str) -> dict[str, dict[str, Any]]:
        """The steps that have begun, by name, in the order of their start."""
        found = self.sagemaker.list_pipeline_execution_steps(PipelineExecutionArn=arn, SortOrder="Ascending")["PipelineExecutionSteps"]
        return {step["StepName"]: step for step in found}

    def statuses(self, arn: str) -> dict[str, str]:
        return {name: step["StepStatus"] for name, step in self.steps(arn).items()}

    def job(self, step: dict[str, Any]) -> dict[str, Any]:
        """The description of a step's training job."""
        name = step["Metadata"]["TrainingJob"]["Arn"].rpartition("/")[2]
        found: dict[str, Any] = self.sagemaker.describe_training_job(TrainingJobName=name)
        return found

    def model(self, step: dict[str, Any]) -> Any:
        """What a Training step's job kept."""
        return json.loads(self.jobs.members(self.job(step)["ModelArtifacts"]["S3ModelArtifacts"])["model.json"])


def definition(steps: Sequence[dict[str, Any]], parameters: Sequence[dict[str, Any]] = (), **more: Any) -> str:
    """A definition's text; ``more`` at its top."""
    return json.dumps({"Version": "2020-12-01", "Metadata": {}, "Parameters": list(parameters), **more, "Steps": list(steps)})


def deployment(endpoint: str, role: str, image: str) -> list[dict[str, Any]]:
    """Steps Model, Configuration and Deploy: the model at the parameter Data, whose variable SAYS is the parameter Says."""
    environment = {"SAYS": get("Parameters.Says"), "SAGEMAKER_MODEL_SERVER_WORKERS": "1"}
    variant = {"VariantName": "AllTraffic", "ModelName": get("Steps.Model.ModelName"), "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    name = {"Std:Join": {"On": "-", "Values": [endpoint, get("Execution.PipelineExecutionId")]}}
    return [
        {"Name": "Model", "Type": "Model", "Arguments": {
            "ExecutionRoleArn": role, "PrimaryContainer": {"Image": image, "ModelDataUrl": get("Parameters.Data"), "Environment": environment}}},
        {"Name": "Configuration", "Type": "EndpointConfig", "Arguments": {"EndpointConfigName": name, "ProductionVariants": [variant]}},
        {"Name": "Deploy", "Type": "Endpoint", "Arguments": {
            "EndpointName": endpoint, "EndpointConfigName": get("Steps.Configuration.EndpointConfigName")}},
    ]


def get(path: str) -> dict[str, str]:
    return {"Get": path}


def parameter(name: str, type_: str, default: Any = None, **more: Any) -> dict[str, Any]:
    return {"Name": name, "Type": type_, **({} if default is None else {"DefaultValue": default}), **more}


def condition(
    name: str, left: Any, type_: str, right: Any, then: Sequence[dict[str, Any]] = (), otherwise: Sequence[dict[str, Any]] = (), **more: Any,
) -> dict[str, Any]:
    """A Condition step of one comparison."""
    compared = {"Type": type_, "LeftValue": left, "RightValue": right}
    return {"Name": name, "Type": "Condition", **more, "Arguments": {"Conditions": [compared], "IfSteps": list(then), "ElseSteps": list(otherwise)}}


def fail(name: str, message: Any) -> dict[str, Any]:
    return {"Name": name, "Type": "Fail", "Arguments": {"ErrorMessage": message}}
