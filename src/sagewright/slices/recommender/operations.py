"""The verbs that are more than a document."""

from __future__ import annotations

from typing import Any

from ...resources import paging
from ...resources.desk import Desk
from ...resources.instances import instance
from ...stores.logs import LogEvent
from ...wire.errors import Invalid, NotFound
from ...wire.types import Call, Reply
from . import results, scaling
from .states import COMPLETED, GROUP, STEP, stream

FILTERS = {"ModelNameEquals": "InputConfig.ModelNameEquals", "ModelPackageVersionArnEquals": "InputConfig.ModelPackageVersionArnEquals"}
"""Members of the list's request → where the documents have them."""


class RecommenderOperations:
    """Verbs of inference recommendations jobs on one platform."""

    def __init__(self, jobs: Desk) -> None:
        self.jobs, self.platform = jobs, jobs.platform

    def install(self) -> None:
        bind, arns = self.platform.operations.bind, self.jobs.arns
        bind("sagemaker", "CreateInferenceRecommendationsJob", self.create, resources=arns)
        bind("sagemaker", "StopInferenceRecommendationsJob", self.stop, resources=arns)
        bind("sagemaker", "ListInferenceRecommendationsJobs", self.jobs_by_time)
        bind("sagemaker", "ListInferenceRecommendationsJobSteps", self.steps, resources=arns)
        bind("sagemaker", "GetScalingConfigurationRecommendation", self.scaling, resources=self._named)

    async def create(self, call: Call) -> Reply:
        """A new job. The SDK looks for its log stream at once, and waits long where there is none."""
        reply = await self.jobs.create(call)
        event = LogEvent(int(self.platform.clock() * 1000), "The job is created.")
        self.platform.logs.append(GROUP, stream(call.params["JobName"]), [event])
        return reply

    async def stop(self, call: Call) -> None:
        """Load tests end at once, their endpoints are removed, and nothing is recommended."""
        await self.jobs.send(await self.jobs.find(call), "Stop")

    async def jobs_by_time(self, call: Call) -> dict[str, Any]:
        """A page of jobs."""
        asked = {FILTERS.get(k, k): v for k, v in call.params.items()}
        shape = self.jobs.shapes.list("ListInferenceRecommendationsJobs")
        query = paging.query(asked, name_member="Name", order=shape.order)
        records = await self.platform.records.find(self.jobs.resource.noun, call.scope, query)
        answer: dict[str, Any] = {shape.member: [self.jobs.view(r, shape.item) for r in records]}
        if len(records) == query.limit:
            answer["NextToken"] = paging.token(asked, records[-1], query.sort_by)
        return answer

    async def steps(self, call: Call) -> dict[str, Any]:
        """A page of a job's benchmarks, in the order of the plan."""
        record = await self.jobs.find(call)
        asked = {("StatusEquals" if k == "Status" else k): v for k, v in call.params.items() if k != "StepType"}
        query = paging.query(asked, name_member="Name", order="Ascending", parent=record.key)
        found = await self.platform.records.find(STEP, record.scope, query)
        members = ("StepType", "JobName", "Status")
        answer: dict[str, Any] = {
            "Steps": [{**{m: s.doc[m] for m in members}, "InferenceBenchmark": results.benchmark(s.doc)} for s in found]
        }
        if len(found) == query.limit:
            answer["NextToken"] = paging.token(asked, found[-1], query.sort_by)
        return answer

    async def scaling(self, call: Call) -> dict[str, Any]:
        """How to scale what a completed job recommends."""
        params = call.params
        name = params["InferenceRecommendationsJobName"]
        record = await self.jobs.find(call, name)
        if ("RecommendationId" in params) == ("EndpointName" in params):
            raise Invalid("Specify exactly one of RecommendationId and EndpointName.")
        if record.status != COMPLETED:
            raise Invalid(f"The inference recommendations job {record.doc['JobArn']} is in status {record.status}; it must be COMPLETED.")
        chosen = next((r for r in record.doc.get("InferenceRecommendations", ()) if _is(r, params)), None)
        if chosen is None:
            what = params.get("RecommendationId") or params.get("EndpointName")
            raise NotFound(f"The inference recommendations job {record.doc['JobArn']} has no recommendation {what}.")
        objective = params.get("ScalingPolicyObjective", {})
        _check(objective)
        target = params.get("TargetCpuUtilizationPerCore", scaling.TARGET)
        where = chosen["EndpointConfiguration"]
        if "ServerlessConfig" in where:
            raise Invalid("A serverless endpoint scales by itself, up to its MaxConcurrency: there is no policy to recommend.")
        metric, configuration = scaling.recommend(
            chosen["Metrics"], instance(where["InstanceType"]).cores, target, objective, where["InitialInstanceCount"]
        )
        return {
            "InferenceRecommendationsJobName": record.doc["JobName"], "RecommendationId": chosen["RecommendationId"],
            "EndpointName": where["EndpointName"], "TargetCpuUtilizationPerCore": target, "ScalingPolicyObjective": objective,
            "Metric": metric, "DynamicScalingConfiguration": configuration,
        }

    def _named(self, call: Call) -> list[str]:
        return [self.jobs.arn(call, call.params["InferenceRecommendationsJobName"])]


def _is(recommendation: dict[str, Any], params: dict[str, Any]) -> bool:
    if "RecommendationId" in params:
        return bool(recommendation["RecommendationId"] == params["RecommendationId"])
    return bool(recommendation["EndpointConfiguration"]["EndpointName"] == params["EndpointName"])


def _check(objective: dict[str, int]) -> None:
    low, high = objective.get("MinInvocationsPerMinute"), objective.get("MaxInvocationsPerMinute")
    if any(value is not None and value < 1 for value in (low, high)):
        raise Invalid("MinInvocationsPerMinute and MaxInvocationsPerMinute must be at least 1.")
    if low is not None and high is not None and low > high:
        raise Invalid("MinInvocationsPerMinute must not be greater than MaxInvocationsPerMinute.")
