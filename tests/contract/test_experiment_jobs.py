"""The components of experiments that jobs have by themselves."""

from __future__ import annotations

import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagewright.testing.experiments import component, refused
from sagewright.testing.jobs import Jobs
from sagewright.testing.names import unique
from sagewright.testing.server import TestServer


@pytest.fixture(scope="module")
def jobs(server: TestServer) -> Jobs:
    return Jobs(server, unique("experiments"))


SCRIPT = """
import time
for n in range(3):
    print(f"acc={n / 4}", flush=True)
"""


class TestJobs:
    def train(self, jobs: Jobs, code: str = SCRIPT, **more: Any) -> str:
        algorithm = {"MetricDefinitions": [{"Name": "test:acc", "Regex": "acc=([0-9.]+)"}]}
        return jobs.train(code, AlgorithmSpecification=algorithm, HyperParameters={"epochs": "3", "opt": '"sgd"', "nan": "nan"}, **more)

    def test_a_training_job_has_a_component(self, sm: Any, metrics: Any, jobs: Jobs) -> None:
        job = jobs.ended(self.train(jobs))
        name = f"{job['TrainingJobName']}-aws-training-job".lower()
        found = sm.describe_trial_component(TrialComponentName=name)
        assert found["DisplayName"] == name
        assert found["Source"] == {"SourceArn": job["TrainingJobArn"], "SourceType": "SageMakerTrainingJob"}
        assert found["Sources"] == [found["Source"]]
        assert found["Status"] == {
            "PrimaryStatus": "Completed",
            "Message": "Status: Completed, secondary status: Completed, failure reason: .",
        }
        parameters = found["Parameters"]
        assert parameters["epochs"] == {"NumberValue": 3.0}
        assert parameters["opt"] == {"StringValue": '"sgd"'}
        assert parameters["nan"] == {"StringValue": "nan"}
        assert parameters["SageMaker.InstanceType"] == {"StringValue": "ml.m5.large"}
        assert parameters["SageMaker.InstanceCount"] == parameters["SageMaker.VolumeSizeInGB"] == {"NumberValue": 1.0}
        assert parameters["SageMaker.ImageUri"]["StringValue"].endswith("sagemaker-base-python:3.11")
        assert set(found["InputArtifacts"]) == {"code"}
        assert found["OutputArtifacts"] == {"SageMaker.ModelArtifact": {"Value": job["ModelArtifacts"]["S3ModelArtifacts"]}}
        assert (found["StartTime"], found["EndTime"]) == (job["TrainingStartTime"], job["TrainingEndTime"])
        (summary,) = found["Metrics"]
        assert (summary["MetricName"], summary["Count"], summary["Max"], summary["Last"]) == ("test:acc", 3, 0.5, 0.5)
        assert summary["SourceArn"] == job["TrainingJobArn"]
        for arn in (job["TrainingJobArn"], found["TrialComponentArn"]):
            (series,) = metrics.batch_get_metrics(MetricQueries=[{
                "MetricName": "test:acc", "ResourceArn": arn, "MetricStat": "Count", "Period": "OneHour", "XAxisType": "Timestamp",
            }])["MetricQueryResults"]  # fmt: skip
            assert sum(series["MetricValues"]) == 3
        (listed,) = sm.list_trial_components(SourceArn=job["TrainingJobArn"])["TrialComponentSummaries"]
        assert listed["TrialComponentSource"] == found["Source"]
        assert refused(sm.delete_trial_component, TrialComponentName=unique("none"))[0] == "ResourceNotFound"
        sm.delete_trial_component(TrialComponentName=name)
        assert sm.list_trial_components(SourceArn=job["TrainingJobArn"])["TrialComponentSummaries"] == []

    def test_the_component_follows_while_the_job_runs(self, sm: Any, jobs: Jobs) -> None:
        code = "import os, time\nprint('acc=0.25', flush=True)\nwhile True: time.sleep(0.1)"
        name = self.train(jobs, code)
        jobs.until(name, ["Training"])
        end = time.monotonic() + 20
        while True:  # the metric travels through the job's log
            found = sm.describe_trial_component(TrialComponentName=f"{name}-aws-training-job")
            if "Metrics" in found or time.monotonic() > end:
                break
            time.sleep(0.02)  # the API's own way for a plain client: poll
        assert found["Status"]["PrimaryStatus"] == "InProgress"
        assert found["Metrics"][0]["Last"] == 0.25
        assert "EndTime" not in found
        sm.update_trial_component(TrialComponentName=f"{name}-aws-training-job", DisplayName="mine", Parameters={"note": {"StringValue": "x"}})
        sm.stop_training_job(TrainingJobName=name)
        jobs.ended(name)
        after = sm.describe_trial_component(TrialComponentName=f"{name}-aws-training-job")
        assert after["Status"]["PrimaryStatus"] == "Stopped"
        assert (after["DisplayName"], after["Parameters"]["note"]) == ("mine", {"StringValue": "x"})
        assert after["Metrics"][0]["Count"] == 1

    def test_a_failed_job_says_why(self, sm: Any, jobs: Jobs) -> None:
        job = jobs.ended(self.train(jobs, "raise SystemExit(3)"))
        found = sm.describe_trial_component(TrialComponentName=f"{job['TrainingJobName']}-aws-training-job")
        assert found["Status"]["PrimaryStatus"] == "Failed"
        assert job["FailureReason"] in found["Status"]["Message"]

    def test_it_belongs_to_the_trial_that_the_job_names(self, sm: Any, jobs: Jobs, names: tuple[str, str]) -> None:
        experiment, trial = names
        run = component(sm, trial, Tags=[{"Key": "sagemaker:trial-component-source", "Value": "run"}])
        config = {"ExperimentName": experiment, "TrialName": trial, "RunName": run, "TrialComponentDisplayName": "Training"}
        name = self.train(jobs, ExperimentConfig=config)
        arn = jobs.ended(name)["TrainingJobArn"]
        listed = sm.list_trial_components(TrialName=trial)["TrialComponentSummaries"]
        assert {c["TrialComponentName"] for c in listed} == {run, f"{name}-aws-training-job"}
        assert sm.describe_trial_component(TrialComponentName=f"{name}-aws-training-job")["DisplayName"] == "Training"
        assert sm.describe_trial_component(TrialComponentName=run)["Sources"] == [
            {"SourceArn": arn, "SourceType": "SageMakerTrainingJob"}
        ]
        assert sm.describe_training_job(TrainingJobName=name)["ExperimentConfig"] == config

    def test_a_trial_is_made_when_only_the_experiment_is_named(self, sm: Any, jobs: Jobs, names: tuple[str, str]) -> None:
        experiment, trial = names
        name = self.train(jobs, ExperimentConfig={"ExperimentName": experiment})
        jobs.ended(name)
        (listed,) = sm.list_trial_components(ExperimentName=experiment)["TrialComponentSummaries"]
        assert listed["TrialComponentName"] == f"{name}-aws-training-job"
        trials = [t["TrialName"] for t in sm.list_trials(ExperimentName=experiment)["TrialSummaries"]]
        assert trial in trials
        assert len(trials) == 2

    def test_names_in_the_config_are_checked(self, sm: Any, jobs: Jobs, names: tuple[str, str]) -> None:
        experiment, trial = names
        other = unique("Exp")
        sm.create_experiment(ExperimentName=other)
        for config, code in (
            ({"ExperimentName": "none"}, "ResourceNotFound"),
            ({"ExperimentName": experiment, "TrialName": "none"}, "ResourceNotFound"),
            ({"ExperimentName": other, "TrialName": trial}, "ValidationException"),
            ({"ExperimentName": experiment, "RunName": "none"}, "ResourceNotFound"),
        ):
            with pytest.raises(ClientError) as caught:
                self.train(jobs, ExperimentConfig=config)
            assert caught.value.response["Error"]["Code"] == code, config

    def test_a_processing_job_has_a_component(self, sm: Any, jobs: Jobs) -> None:
        name = jobs.name("proc")
        script = jobs.put(f"code/{name}/main.py", "print('done')")
        image = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-base-python:3.11"
        sm.create_processing_job(
            ProcessingJobName=name, RoleArn=jobs.role,
            ProcessingResources={"ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 5}},
            AppSpecification={"ImageUri": image, "ContainerEntrypoint": ["python3", "/opt/ml/processing/input/code/main.py"]},
            ProcessingInputs=[{"InputName": "code", "S3Input": {
                "S3Uri": script, "LocalPath": "/opt/ml/processing/input/code", "S3DataType": "S3Prefix", "S3InputMode": "File"}}],
            ProcessingOutputConfig={"Outputs": [{"OutputName": "out", "S3Output": {
                "S3Uri": f"s3://{jobs.bucket}/{name}", "LocalPath": "/opt/ml/processing/output", "S3UploadMode": "EndOfJob"}}]},
        )  # fmt: skip
        sm.get_waiter("processing_job_completed_or_stopped").wait(ProcessingJobName=name, WaiterConfig={"Delay": 1})
        found = sm.describe_trial_component(TrialComponentName=f"{name}-aws-processing-job")
        assert found["Source"]["SourceType"] == "SageMakerProcessingJob"
        assert found["Status"]["PrimaryStatus"] == "Completed"
        assert found["InputArtifacts"] == {"code": {"Value": script}}
        assert found["OutputArtifacts"] == {"out": {"Value": f"s3://{jobs.bucket}/{name}"}}
        assert found["Parameters"]["SageMaker.VolumeSizeInGB"] == {"NumberValue": 5.0}
        assert {"StartTime", "EndTime"} <= set(found)


def test_a_killed_server_loses_nothing(own_server: TestServer) -> None:
    """Points that were answered are there; jobs that ended meanwhile get their components."""
    jobs = Jobs(own_server)
    sm, metrics = own_server.client("sagemaker"), own_server.client("sagemaker-metrics")
    sm.create_trial_component(TrialComponentName="run")
    for step in range(50):
        metrics.batch_put_metrics(TrialComponentName="run", MetricData=[{"MetricName": "m", "Timestamp": 1.7e9, "Step": step, "Value": float(step)}])
    algorithm = {"MetricDefinitions": [{"Name": "acc", "Regex": "acc=([0-9.]+)"}]}
    code = "import time\nprint('acc=0.5', flush=True)\ntime.sleep(1.0)\nprint('acc=0.75', flush=True)"
    name = jobs.train(code, AlgorithmSpecification=algorithm)
    jobs.until(name, ["Training"])
    own_server.kill()
    own_server.start()
    jobs = Jobs.__new__(Jobs)
    jobs.sagemaker, jobs.logs = own_server.client("sagemaker"), own_server.client("logs")
    jobs.ended(name)
    sm, metrics = own_server.client("sagemaker"), own_server.client("sagemaker-metrics")
    arn = sm.describe_trial_component(TrialComponentName="run")["TrialComponentArn"]
    query = {"MetricName": "m", "ResourceArn": arn, "MetricStat": "Last", "Period": "IterationNumber", "XAxisType": "IterationNumber"}
    assert metrics.batch_get_metrics(MetricQueries=[query])["MetricQueryResults"][0]["XAxisValues"] == list(range(50))
    found = sm.describe_trial_component(TrialComponentName=f"{name}-aws-training-job")
    assert found["Status"]["PrimaryStatus"] == "Completed"
    assert (found["Metrics"][0]["Count"], found["Metrics"][0]["Last"]) == (2, 0.75)
