"""The pages that the API's model draws: a kind of resource is found, listed, opened and deleted."""

from __future__ import annotations

import time

import pytest

from sagewright.testing.chromium import Page
from sagewright.testing.executions import Pipelines, fail
from sagewright.testing.jobs import Jobs
from sagewright.testing.names import unique
from sagewright.testing.server import TestServer

from .calls import STUDIO
from .looks import Looks

pytestmark = pytest.mark.xdist_group("browser")
EVIL = "<img src=x onerror=window.pwned=1>"


@pytest.mark.timeout(300)
async def test_a_kind_of_resource_is_listed_opened_and_deleted(studio: Page, server: TestServer, looks: Looks) -> None:
    sagemaker, name = server.client("sagemaker"), unique("group")
    sagemaker.create_model_package_group(ModelPackageGroupName=name, ModelPackageGroupDescription=EVIL)
    await studio.follow(f"{STUDIO}/resources")
    await studio.shows("All resources", "Model package groups", "Domains")
    await looks.at("resources")
    await studio.follow(f"{STUDIO}/resources/CompilationJob?q={unique('none')}")
    await studio.shows("Nothing matches")
    await studio.follow(f"{STUDIO}/resources/StageDevice")
    await studio.shows("say which", "Edge deployment plan name")
    await looks.at("resources-of-one-thing")
    await studio.follow(f"{STUDIO}/resources")
    await studio.click("Model package groups", "a")
    await studio.shows(name, "Completed", EVIL)
    await looks.at("resource-list")
    await studio.click(name, "a", exact=True)
    await studio.shows("What it is", EVIL)
    await looks.at("resource")
    await studio.click("Code", '[role="tab"]', exact=True)
    await studio.shows("describe_model_package_group(", name)
    await studio.click("Belongs to it", '[role="tab"]')
    await studio.click("Model packages", "a", exact=True)
    await studio.shows(f"Model package group name: {name}", "There is no model package yet")
    await studio.follow(f"{STUDIO}/resources/ModelPackageGroup/{name}")
    await studio.click("Delete", "button", exact=True)
    await studio.click("Delete", '[role="dialog"] button', exact=True)
    await studio.shows("Deleted.")
    found = sagemaker.list_model_package_groups(NameContains=name)["ModelPackageGroupSummaryList"]
    assert found == []
    assert not await studio.value("window.pwned")
    assert looks.faults == {}


async def test_a_model_package_shows_its_approval_by_itself(studio: Page, server: TestServer) -> None:
    """Its page has its ARN in the address, its events have its group's name; its group is told of, too."""
    sagemaker, name = server.client("sagemaker"), unique("group")
    sagemaker.create_model_package_group(ModelPackageGroupName=name)
    where = sagemaker.create_model_package(ModelPackageGroupName=name, ModelApprovalStatus="PendingManualApproval")["ModelPackageArn"]
    await studio.follow(f"{STUDIO}/resources/ModelPackage/{where.replace('/', '%2F')}")
    await studio.shows(f"{name} 1", "PendingManualApproval", "Live")
    await studio.quiet()
    sagemaker.update_model_package(ModelPackageArn=where, ModelApprovalStatus="Approved", ApprovalDescription="as good as the last")
    await studio.shows("Approved", "as good as the last")
    await studio.follow(f"{STUDIO}/resources/ModelPackageGroup?q={name}")
    await studio.shows(name)
    sagemaker.delete_model_package(ModelPackageName=where)
    sagemaker.delete_model_package_group(ModelPackageGroupName=name)
    await studio.shows("Nothing matches")


async def test_what_is_told_of_a_chosen_row_changes_with_it(studio: Page, server: TestServer) -> None:
    sagemaker, name = server.client("sagemaker"), unique("act")
    sagemaker.create_action(ActionName=name, ActionType="Review", Source={"SourceUri": "s3://x/y"}, Status="InProgress")
    await studio.follow(f"{STUDIO}/resources/Action?selected={name}")
    status = "[...document.querySelectorAll('.json-row')].find((r) => r.innerText.startsWith('Status'))?.innerText"
    await studio.until(f"{status}?.includes('InProgress')")
    sagemaker.update_action(ActionName=name, Status="Completed")
    await studio.until(f"{status}?.includes('Completed')")
    sagemaker.delete_action(ActionName=name)


async def test_a_log_is_of_its_own_job(studio: Page, jobs: Jobs) -> None:
    """Streams of a job whose name begins alike are another's."""
    server, name = jobs.server, unique("compile")
    jobs.sagemaker.create_compilation_job(
        CompilationJobName=name, RoleArn=jobs.role, InputConfig={"S3Uri": f"s3://{jobs.bucket}/none/model.tar.gz", "Framework": "ONNX"},
        OutputConfig={"S3OutputLocation": f"s3://{jobs.bucket}/{name}", "TargetDevice": "ml_p3"}, StoppingCondition={"MaxRuntimeInSeconds": 60},
    )  # fmt: skip
    logs, group = server.client("logs"), "/aws/sagemaker/CompilationJobs"
    if not logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]:
        logs.create_log_group(logGroupName=group)
    for stream, line in ((f"{name}-2/algo-1-1", "of the other"), (f"{name}/own", "of this one")):
        logs.create_log_stream(logGroupName=group, logStreamName=stream)
        logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=[{"timestamp": int(1000 * time.time()), "message": line}])
    await studio.follow(f"{STUDIO}/resources/CompilationJob/{name}?tab=log&stream={name}-2/algo-1-1")
    await studio.until("document.querySelector('.log-line')")
    assert "of the other" not in await studio.value("document.querySelector('.log').innerText")
    await studio.follow(f"{STUDIO}/resources/CompilationJob/{name}?tab=log&stream={name}/own")
    await studio.until("[...document.querySelectorAll('.log-line')].some((l) => l.innerText.includes('of this one'))")


@pytest.mark.timeout(300)
async def test_a_pipeline_its_executions_and_their_steps(studio: Page, jobs: Jobs, looks: Looks) -> None:
    """From a pipeline to what a step of one of its executions has to say."""
    pipelines = Pipelines(jobs)
    name = pipelines.create([pipelines.training("Train"), {**fail("Refuse", "not good enough"), "DependsOn": ["Train"]}], PipelineDescription=EVIL)
    arn = pipelines.start(name)
    pipelines.ended(arn)
    await studio.follow(f"{STUDIO}/resources/Pipeline")
    await studio.shows(name, EVIL)
    await looks.at("pipelines")
    await studio.click(name, "a", exact=True)
    await studio.shows("What it is", EVIL, "Pipeline definition", "Steps", "2 items")
    await looks.at("pipeline")
    await studio.click("Belongs to it", '[role="tab"]')
    await studio.click("Pipeline executions", "a", exact=True)
    await studio.shows("Failed", "not good enough")
    await looks.at("pipeline-executions")
    await studio.follow(f"{STUDIO}/resources/PipelineExecutionStep?PipelineExecutionArn={arn.replace('/', '%2F')}")
    await studio.shows("Train", "Succeeded", "Refuse", "Failed")
    await looks.at("pipeline-steps")
    assert not await studio.value("window.pwned")
    assert looks.faults == {}
