"""Edge Manager through boto3: fleets, devices, packages, plans, and what a device calls, with a test in the device's place."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagewright.testing.names import unique
from sagewright.testing.server import TestServer

ROLE = "arn:aws:iam::123456789012:role/SagewrightExecutionRole"
BUCKET = "edge-tests"


class Edge:
    """Clients, and the shortest ways to a fleet, a package, a plan."""

    def __init__(self, server: TestServer) -> None:
        self.sagemaker, self.edge, self.s3 = server.client("sagemaker"), server.client("sagemaker-edge"), server.client("s3")
        self.s3.create_bucket(Bucket=BUCKET)
        self._package = ""

    def fleet(self, *devices: str) -> str:
        name = unique("fleet")
        self.sagemaker.create_device_fleet(DeviceFleetName=name, OutputConfig={"S3OutputLocation": f"s3://{BUCKET}/captures"})
        if devices:
            self.sagemaker.register_devices(DeviceFleetName=name, Devices=[{"DeviceName": d} for d in devices])
        return name

    def package(self) -> str:
        """A packaging job, COMPLETED: one for all tests of this file in a worker."""
        if not self._package:
            job = unique("package")
            self.s3.put_object(Bucket=BUCKET, Key=f"{job}/model.tar.gz", Body=archive({"xgboost-model": booster()}))
            self.sagemaker.create_compilation_job(
                CompilationJobName=job, RoleArn=ROLE, StoppingCondition={},
                InputConfig={"S3Uri": f"s3://{BUCKET}/{job}/model.tar.gz", "Framework": "XGBOOST"},
                OutputConfig={"S3OutputLocation": f"s3://{BUCKET}/{job}", "TargetDevice": "rasp4b"},
            )  # fmt: skip
            done = self.until(lambda: self.sagemaker.describe_compilation_job(CompilationJobName=job), "CompilationJobStatus")
            assert done["CompilationJobStatus"] == "COMPLETED", done["FailureReason"]
            self.sagemaker.create_edge_packaging_job(
                EdgePackagingJobName=job, CompilationJobName=job, ModelName="stumps", ModelVersion="1.0", RoleArn=ROLE,
                OutputConfig={"S3OutputLocation": f"s3://{BUCKET}/{job}"},
            )  # fmt: skip
            done = self.until(lambda: self.sagemaker.describe_edge_packaging_job(EdgePackagingJobName=job), "EdgePackagingJobStatus")
            assert done["EdgePackagingJobStatus"] == "COMPLETED", done
            self._package = job
        return self._package

    def until(self, describe: Any, status: str) -> dict[str, Any]:
        end = time.monotonic() + 120
        while (found := describe())[status] in ("STARTING", "INPROGRESS", "STOPPING"):
            assert time.monotonic() < end, found
            time.sleep(0.02)  # the API's own way for a plain client: poll
        return found  # type: ignore[no-any-return]

    def plan(self, fleet: str, stages: list[dict[str, Any]]) -> str:
        name = unique("plan")
        self.sagemaker.create_edge_deployment_plan(
            EdgeDeploymentPlanName=name, DeviceFleetName=fleet, Stages=stages,
            ModelConfigs=[{"ModelHandle": "stumps", "EdgePackagingJobName": self.package()}],
        )  # fmt: skip
        return name

    def stage(self, plan: str, number: int = 0) -> dict[str, Any]:
        found: dict[str, Any] = self.sagemaker.describe_edge_deployment_plan(EdgeDeploymentPlanName=plan)["Stages"][number]["DeploymentStatus"]
        return found

    def offers(self, fleet: str, device: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.edge.get_deployments(DeviceName=device, DeviceFleetName=fleet).get("Deployments", [])
        return found

    def tell(self, fleet: str, device: str, deployment: str, status: str = "SUCCESS", **more: Any) -> None:
        result = {"DeploymentName": deployment, "DeploymentStatus": status, **more}
        self.edge.send_heartbeat(AgentVersion="1", DeviceName=device, DeviceFleetName=fleet, DeploymentResult=result)


def archive(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, body in members.items():
            about = tarfile.TarInfo(name)
            about.size = len(body)
            tar.addfile(about, io.BytesIO(body))
    return out.getvalue()


def booster() -> bytes:
    """One stump in XGBoost's JSON: 1 where the first of two features is at least 0.5, else -1."""
    tree = {
        "base_weights": [0.0, -1.0, 1.0], "categories": [], "categories_nodes": [], "categories_segments": [], "categories_sizes": [],
        "default_left": [1, 0, 0], "id": 0, "left_children": [1, -1, -1], "loss_changes": [1.0, 0.0, 0.0], "parents": [2147483647, 0, 0],
        "right_children": [2, -1, -1], "split_conditions": [0.5, -1.0, 1.0], "split_indices": [0, 0, 0], "split_type": [0, 0, 0],
        "sum_hessian": [2.0, 1.0, 1.0], "tree_param": {"num_deleted": "0", "num_feature": "2", "num_nodes": "3", "size_leaf_vector": "1"},
    }  # fmt: skip
    model = {
        "learner": {
            "attributes": {}, "feature_names": [], "feature_types": [],
            "gradient_booster": {"name": "gbtree", "model": {
                "gbtree_model_param": {"num_parallel_tree": "1", "num_trees": "1"}, "iteration_indptr": [0, 1], "tree_info": [0], "trees": [tree]}},
            "learner_model_param": {"base_score": "0E0", "boost_from_average": "1", "num_class": "0", "num_feature": "2", "num_target": "1"},
            "objective": {"name": "reg:squarederror", "reg_loss_param": {"scale_pos_weight": "1"}},
        },
        "version": [3, 0, 5],
    }  # fmt: skip
    return json.dumps(model).encode()


def everyone(policy: str = "ROLLBACK_ON_FAILURE", name: str = "all", percent: int = 100) -> dict[str, Any]:
    return {
        "StageName": name, "DeviceSelectionConfig": {"DeviceSubsetType": "PERCENTAGE", "Percentage": percent},
        "DeploymentConfig": {"FailureHandlingPolicy": policy},
    }  # fmt: skip


@pytest.fixture(scope="module")
def edge(server: TestServer) -> Edge:
    return Edge(server)


def test_fleets_and_devices(edge: Edge) -> None:
    fleet = edge.fleet("pump-2", "pump-1")
    about = edge.sagemaker.describe_device_fleet(DeviceFleetName=fleet)
    assert about["DeviceFleetArn"].endswith(f":device-fleet/{fleet}")
    edge.sagemaker.update_device_fleet(DeviceFleetName=fleet, Description="pumps", OutputConfig={"S3OutputLocation": f"s3://{BUCKET}/other"})
    about = edge.sagemaker.describe_device_fleet(DeviceFleetName=fleet)
    assert (about["Description"], about["OutputConfig"]["S3OutputLocation"]) == ("pumps", f"s3://{BUCKET}/other")
    assert [f["DeviceFleetName"] for f in edge.sagemaker.list_device_fleets(NameContains=fleet, SortBy="NAME")["DeviceFleetSummaries"]] == [fleet]
    first = edge.sagemaker.list_devices(DeviceFleetName=fleet, MaxResults=1)
    second = edge.sagemaker.list_devices(DeviceFleetName=fleet, MaxResults=1, NextToken=first["NextToken"])
    assert [d["DeviceName"] for d in first["DeviceSummaries"] + second["DeviceSummaries"]] == ["pump-1", "pump-2"]
    assert "NextToken" not in second
    edge.sagemaker.update_devices(DeviceFleetName=fleet, Devices=[{"DeviceName": "pump-1", "Description": "by the door"}])
    device = edge.sagemaker.describe_device(DeviceFleetName=fleet, DeviceName="pump-1")
    assert device["DeviceArn"].endswith(f":device-fleet/{fleet}/device/pump-1")
    assert device["Description"] == "by the door"
    with pytest.raises(ClientError, match="already registered"):
        edge.sagemaker.register_devices(DeviceFleetName=fleet, Devices=[{"DeviceName": "pump-1"}])
    with pytest.raises(ClientError) as caught:
        edge.sagemaker.delete_device_fleet(DeviceFleetName=fleet)
    assert caught.value.response["Error"]["Code"] == "ResourceInUse"
    edge.sagemaker.deregister_devices(DeviceFleetName=fleet, DeviceNames=["pump-1", "pump-2"])
    edge.sagemaker.delete_device_fleet(DeviceFleetName=fleet)
    with pytest.raises(ClientError) as caught:
        edge.sagemaker.describe_device_fleet(DeviceFleetName=fleet)
    assert caught.value.response["Error"]["Code"] == "ResourceNotFound"


def test_what_is_not_built_is_refused_by_name(edge: Edge) -> None:
    output = {"S3OutputLocation": f"s3://{BUCKET}/x"}
    for more in ({"EnableIotRoleAlias": True, "OutputConfig": output}, {"OutputConfig": {**output, "PresetDeploymentType": "GreengrassV2Component"}}):
        with pytest.raises(ClientError, match="is not implemented: there is no") as caught:
            edge.sagemaker.create_device_fleet(DeviceFleetName=unique("refused"), **more)
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501


def test_heartbeats_show_in_descriptions_and_the_report(edge: Edge) -> None:
    fleet = edge.fleet("a", "b")
    now = time.time()
    edge.edge.send_heartbeat(
        AgentVersion="0.1.0", DeviceName="a", DeviceFleetName=fleet,
        Models=[{"ModelName": "stumps", "ModelVersion": "1.0", "LatestInference": now}],
    )  # fmt: skip
    device = edge.sagemaker.describe_device(DeviceFleetName=fleet, DeviceName="a")
    assert abs(device["LatestHeartbeat"].timestamp() - now) < 60
    assert (device["AgentVersion"], device["Models"][0]["ModelVersion"]) == ("0.1.0", "1.0")
    report = edge.sagemaker.get_device_fleet_report(DeviceFleetName=fleet)
    assert report["DeviceStats"] == {"ConnectedDeviceCount": 1, "RegisteredDeviceCount": 2}
    assert report["AgentVersions"] == [{"Version": "0.1.0", "AgentCount": 1}]
    assert report["ModelStats"] == [{
        "ModelName": "stumps", "ModelVersion": "1.0", "OfflineDeviceCount": 0, "ConnectedDeviceCount": 1, "ActiveDeviceCount": 1,
        "SamplingDeviceCount": 0,
    }]  # fmt: skip
    found = edge.sagemaker.list_devices(DeviceFleetName=fleet, ModelName="stumps")["DeviceSummaries"]
    assert [d["DeviceName"] for d in found] == ["a"]
    registration = edge.edge.get_device_registration(DeviceName="a", DeviceFleetName=fleet)
    assert json.loads(registration["DeviceRegistration"])["OutputConfig"] == {"S3OutputLocation": f"s3://{BUCKET}/captures"}
    with pytest.raises(ClientError, match="Could not find device"):
        edge.edge.send_heartbeat(AgentVersion="1", DeviceName="unknown", DeviceFleetName=fleet)


def test_packages_are_what_devices_are_offered_and_stages_end_with_their_devices(edge: Edge) -> None:
    fleet = edge.fleet("a", "b", "c")
    plan = edge.plan(fleet, [everyone()])
    foreseen = edge.sagemaker.list_stage_devices(EdgeDeploymentPlanName=plan, StageName="all")["DeviceDeploymentSummaries"]
    assert [(d["DeviceName"], d["DeviceDeploymentStatus"]) for d in foreseen] == [(d, "READYTODEPLOY") for d in "abc"]
    assert edge.offers(fleet, "a") == []
    edge.sagemaker.start_edge_deployment_stage(EdgeDeploymentPlanName=plan, StageName="all")
    assert edge.stage(plan)["EdgeDeploymentPendingInStage"] == 3
    (offer,) = edge.offers(fleet, "a")
    (definition,) = offer["Definitions"]
    job = edge.sagemaker.describe_edge_packaging_job(EdgePackagingJobName=edge.package())
    assert (offer["Type"], offer["FailureHandlingPolicy"], definition["S3Url"]) == ("Model", "ROLLBACK_ON_FAILURE", job["ModelArtifact"])
    body = edge.s3.get_object(Bucket=BUCKET, Key=definition["S3Url"].partition(f"{BUCKET}/")[2])["Body"].read()
    assert definition["Checksum"] == {"Type": "SHA1", "Sum": hashlib.sha1(body).hexdigest()}
    with tarfile.open(fileobj=io.BytesIO(body)) as packed:
        signed = json.loads(job["ModelSignature"])["Files"]
        for name, digest in signed.items():
            member = packed.extractfile(name)
            assert member is not None
            assert hashlib.sha256(member.read()).hexdigest() == digest
    edge.tell(fleet, "a", offer["DeploymentName"])
    edge.tell(fleet, "a", offer["DeploymentName"])  # told twice, counted once
    assert edge.offers(fleet, "a") == []
    counts = edge.sagemaker.describe_edge_deployment_plan(EdgeDeploymentPlanName=plan)
    assert (counts["EdgeDeploymentSuccess"], counts["EdgeDeploymentPending"], counts["EdgeDeploymentFailed"]) == (1, 2, 0)
    edge.tell(fleet, "b", offer["DeploymentName"])
    edge.tell(fleet, "c", offer["DeploymentName"], "FAIL", DeploymentStatusMessage="no room")
    assert edge.stage(plan)["StageStatus"] == "FAILED"
    devices = edge.sagemaker.list_stage_devices(EdgeDeploymentPlanName=plan, StageName="all")["DeviceDeploymentSummaries"]
    assert [(d["DeviceName"], d["DeviceDeploymentStatus"], d.get("DeviceDeploymentStatusMessage")) for d in devices] == [
        ("a", "DEPLOYED", None), ("b", "DEPLOYED", None), ("c", "FAILED", "no room")]  # fmt: skip
    # once more: only the device that failed is offered it
    edge.sagemaker.start_edge_deployment_stage(EdgeDeploymentPlanName=plan, StageName="all")
    assert edge.offers(fleet, "a") == []
    (again,) = edge.offers(fleet, "c")
    edge.tell(fleet, "c", offer["DeploymentName"])  # of the first run: too late
    assert edge.stage(plan)["StageStatus"] == "INPROGRESS"
    edge.tell(fleet, "c", again["DeploymentName"])
    assert edge.stage(plan)["StageStatus"] == "DEPLOYED"


def test_stages_stop_and_go(edge: Edge) -> None:
    fleet = edge.fleet("a", "b")
    plan = edge.plan(fleet, [everyone("DO_NOTHING")])
    edge.sagemaker.start_edge_deployment_stage(EdgeDeploymentPlanName=plan, StageName="all")
    for delete in (
        lambda: edge.sagemaker.delete_edge_deployment_plan(EdgeDeploymentPlanName=plan),
        lambda: edge.sagemaker.delete_edge_deployment_stage(EdgeDeploymentPlanName=plan, StageName="all"),
    ):
        with pytest.raises(ClientError) as caught:
            delete()
        assert caught.value.response["Error"]["Code"] == "ResourceInUse"
    (offer,) = edge.offers(fleet, "a")
    edge.sagemaker.stop_edge_deployment_stage(EdgeDeploymentPlanName=plan, StageName="all")
    assert edge.offers(fleet, "a") == []
    edge.tell(fleet, "a", offer["DeploymentName"])  # it was under way: what happened is noted
    stage = edge.stage(plan)
    assert (stage["StageStatus"], stage["EdgeDeploymentSuccessInStage"], stage["EdgeDeploymentPendingInStage"]) == ("STOPPED", 1, 0)
    edge.sagemaker.create_edge_deployment_stage(EdgeDeploymentPlanName=plan, Stages=[everyone(name="later", percent=50)])
    edge.sagemaker.delete_edge_deployment_stage(EdgeDeploymentPlanName=plan, StageName="later")
    listed = edge.sagemaker.list_edge_deployment_plans(DeviceFleetNameContains=fleet, SortBy="DEVICE_FLEET_NAME")
    assert [(p["EdgeDeploymentPlanName"], p["EdgeDeploymentSuccess"]) for p in listed["EdgeDeploymentPlanSummaries"]] == [(plan, 1)]
    edge.sagemaker.delete_edge_deployment_plan(EdgeDeploymentPlanName=plan)
    with pytest.raises(ClientError) as caught:
        edge.sagemaker.describe_edge_deployment_plan(EdgeDeploymentPlanName=plan)
    assert caught.value.response["Error"]["Code"] == "ResourceNotFound"


def test_a_device_speaks_for_itself_only(edge: Edge, server: TestServer) -> None:
    fleet = edge.fleet("mine", "other")
    iam, user = server.client("iam"), unique("device")
    iam.create_user(UserName=user)
    statement = {"Effect": "Allow", "Action": "sagemaker:*", "Resource": f"arn:aws:sagemaker:*:*:device-fleet/{fleet}/device/mine"}
    iam.put_user_policy(UserName=user, PolicyName="own", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    keys = iam.create_access_key(UserName=user)["AccessKey"]
    device = server.client("sagemaker-edge", aws_access_key_id=keys["AccessKeyId"], aws_secret_access_key=keys["SecretAccessKey"])
    device.send_heartbeat(AgentVersion="1", DeviceName="mine", DeviceFleetName=fleet)
    with pytest.raises(ClientError, match="not authorized"):
        device.send_heartbeat(AgentVersion="1", DeviceName="other", DeviceFleetName=fleet)


def test_a_package_needs_a_completed_compilation_and_a_plan_a_completed_package(edge: Edge) -> None:
    fleet = edge.fleet("a")
    with pytest.raises(ClientError, match="Could not find compilation job"):
        edge.sagemaker.create_edge_packaging_job(
            EdgePackagingJobName=unique("p"), CompilationJobName="none", ModelName="m", ModelVersion="1", RoleArn=ROLE,
            OutputConfig={"S3OutputLocation": f"s3://{BUCKET}/x"},
        )  # fmt: skip
    with pytest.raises(ClientError, match="a plan needs a COMPLETED one"):
        edge.sagemaker.create_edge_deployment_plan(
            EdgeDeploymentPlanName=unique("p"), DeviceFleetName=fleet, ModelConfigs=[{"ModelHandle": "m", "EdgePackagingJobName": "none"}]
        )  # fmt: skip
    jobs = edge.sagemaker.list_edge_packaging_jobs(ModelNameContains="stump", NameContains=edge.package(), SortBy="MODEL_NAME")
    assert [job["ModelName"] for job in jobs["EdgePackagingJobSummaries"]] == ["stumps"]
