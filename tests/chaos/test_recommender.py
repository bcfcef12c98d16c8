"""A recommendations job whose server is killed in the middle: it goes on, and no endpoint is left over."""

from __future__ import annotations

from typing import Any

import pytest

from sagewright.testing.models import SUM, Models, archive
from sagewright.testing.processes import kill, seeing
from sagewright.testing.waiting import until

from .conftest import Chaos

GROUP = "/aws/sagemaker/InferenceRecommendationsJobs"
NAME = "job"


class Job:
    """One job of one server."""

    def __init__(self, chaos: Chaos, seconds: int, *types: str) -> None:
        self.chaos, self.models = chaos, Models(chaos.server)
        self.sagemaker = self.models.sagemaker
        payload = self.models.put("payload.tar.gz", archive(**{"row.csv": "1,2\n"}))
        self.sagemaker.create_inference_recommendations_job(JobName=NAME, JobType="Advanced", RoleArn=self.models.role, InputConfig={
            "ModelName": self.models.model(SUM), "JobDurationInSeconds": 600,
            "ContainerConfig": {"PayloadConfig": {"SamplePayloadUrl": payload, "SupportedContentTypes": ["text/csv"]}},
            "EndpointConfigurations": [{"InstanceType": one} for one in types],
            "TrafficPattern": {"TrafficType": "STAIRS", "Stairs": {"DurationInSeconds": seconds, "NumberOfSteps": 4, "UsersPerStep": 1}},
        }, StoppingConditions={"FlatInvocations": "Continue"})

    def about(self) -> dict[str, Any]:
        found: dict[str, Any] = self.sagemaker.describe_inference_recommendations_job(JobName=NAME)
        return found

    def log(self) -> str:
        events = self.models.logs.get_log_events(logGroupName=GROUP, logStreamName=f"{NAME}/execution", startFromHead=True)["events"]
        return "\n".join(event["message"] for event in events)

    def statuses(self) -> list[str]:
        return [step["Status"] for step in self.sagemaker.list_inference_recommendations_job_steps(JobName=NAME)["Steps"]]

    def endpoints(self) -> list[str]:
        return [one["EndpointStatus"] for one in self.sagemaker.list_endpoints()["Endpoints"]]

    def ended(self) -> dict[str, Any]:
        until(lambda: self.about()["Status"] in ("COMPLETED", "FAILED", "STOPPED"), 120, why=lambda: f"{self.about()}\n{self.log()}")
        return self.about()

    def nothing_left(self) -> None:
        assert self.endpoints() == []
        assert self.sagemaker.list_endpoint_configs()["EndpointConfigs"] == []
        assert len(self.sagemaker.list_models()["Models"]) == 1, "the user's own"
        self.chaos.settled()


@pytest.mark.timeout(300)
def test_a_job_goes_on_wherever_its_server_dies(chaos: Chaos) -> None:
    """Killed while an endpoint is created, while it is loaded, and between two benchmarks."""
    job = Job(chaos, 1, "ml.m5.large", "ml.c5.large")
    until(lambda: bool(job.endpoints()), 60)
    chaos.restart()
    until(lambda: "NumberOfUsers=1" in job.log(), 60, why=job.log)
    chaos.restart()
    until(lambda: job.statuses()[0] == "COMPLETED", 60, why=lambda: f"{job.statuses()}\n{job.log()}")
    chaos.restart()
    found = job.ended()
    assert found["Status"] == "COMPLETED", (found, job.log())
    assert len(found["InferenceRecommendations"]) == 2
    assert job.statuses() == ["COMPLETED", "COMPLETED"]
    assert job.log().count("Creating an endpoint") <= 4, "each is created once, and said twice at most"
    job.nothing_left()


def test_a_stop_is_remembered(chaos: Chaos) -> None:
    job = Job(chaos, 60, "ml.m5.large", "ml.c5.large")
    until(lambda: job.endpoints() == ["InService"], 60)
    job.sagemaker.stop_inference_recommendations_job(JobName=NAME)
    chaos.restart()
    assert job.ended()["Status"] == "STOPPED"
    assert job.statuses() == ["STOPPED", "STOPPED"]
    job.nothing_left()


def test_a_killed_load_test_fails_its_benchmark_alone(chaos: Chaos) -> None:
    """Not the server but the process that asks: what it had found is lost, its endpoint is removed, the next one is not concerned."""
    job = Job(chaos, 2, "ml.m5.large", "ml.c5.large")
    until(lambda: "NumberOfUsers=1" in job.log(), 60, why=job.log)
    mine = chaos.folder(NAME).name
    loads = seeing(mine)
    assert loads
    kill(loads)
    found = job.ended()
    assert (found["Status"], job.statuses()) == ("COMPLETED", ["FAILED", "COMPLETED"]), job.log()
    job.nothing_left()
