"""Compilation and edge packaging whose server is killed, and a stage of which nothing is lost."""

from __future__ import annotations

import io
import json
import tarfile
from typing import Any

from sagewright.testing.waiting import until

from .conftest import Chaos


def model() -> bytes:
    """One stump in XGBoost's JSON."""
    tree = {
        "base_weights": [0.0, -1.0, 1.0], "categories": [], "categories_nodes": [], "categories_segments": [], "categories_sizes": [],
        "default_left": [1, 0, 0], "id": 0, "left_children": [1, -1, -1], "loss_changes": [1.0, 0.0, 0.0], "parents": [2147483647, 0, 0],
        "right_children": [2, -1, -1], "split_conditions": [0.5, -1.0, 1.0], "split_indices": [0, 0, 0], "split_type": [0, 0, 0],
        "sum_hessian": [2.0, 1.0, 1.0], "tree_param": {"num_deleted": "0", "num_feature": "2", "num_nodes": "3", "size_leaf_vector": "1"},
    }  # fmt: skip
    forest = {"gbtree_model_param": {"num_parallel_tree": "1", "num_trees": "1"}, "iteration_indptr": [0, 1], "tree_info": [0], "trees": [tree]}
    booster = {"version": [3, 0, 5], "learner": {
        "attributes": {}, "feature_names": [], "feature_types": [], "gradient_booster": {"name": "gbtree", "model": forest},
        "learner_model_param": {"base_score": "0E0", "boost_from_average": "1", "num_class": "0", "num_feature": "2", "num_target": "1"},
        "objective": {"name": "reg:squarederror", "reg_loss_param": {"scale_pos_weight": "1"}},
    }}  # fmt: skip
    out, text = io.BytesIO(), json.dumps(booster).encode()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        about = tarfile.TarInfo("xgboost-model")
        about.size = len(text)
        archive.addfile(about, io.BytesIO(text))
    return out.getvalue()


def test_a_compilation_a_package_and_a_stage_outlive_the_server(chaos: Chaos) -> None:
    jobs = chaos.jobs
    sagemaker, bucket = jobs.sagemaker, jobs.bucket
    source = jobs.put("edge/model.tar.gz", model())

    def ended(describe: Any, status: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        until(lambda: found.update(describe()) or found[status] not in ("STARTING", "INPROGRESS"), 300, lambda: str(found))
        assert found[status] == "COMPLETED", found
        return found

    sagemaker.create_compilation_job(
        CompilationJobName="killed", RoleArn=jobs.role, InputConfig={"S3Uri": source, "Framework": "XGBOOST"},
        OutputConfig={"S3OutputLocation": f"s3://{bucket}/edge", "TargetDevice": "ml_c5"}, StoppingCondition={},
    )  # fmt: skip
    chaos.restart()
    ended(lambda: sagemaker.describe_compilation_job(CompilationJobName="killed"), "CompilationJobStatus")
    sagemaker.create_edge_packaging_job(
        EdgePackagingJobName="killed", CompilationJobName="killed", ModelName="stump", ModelVersion="1", RoleArn=jobs.role,
        OutputConfig={"S3OutputLocation": f"s3://{bucket}/edge"},
    )  # fmt: skip
    chaos.restart()
    ended(lambda: sagemaker.describe_edge_packaging_job(EdgePackagingJobName="killed"), "EdgePackagingJobStatus")
    sagemaker.create_device_fleet(DeviceFleetName="killed", OutputConfig={"S3OutputLocation": f"s3://{bucket}/captures"})
    sagemaker.register_devices(DeviceFleetName="killed", Devices=[{"DeviceName": "a"}, {"DeviceName": "b"}])
    selection = {"DeviceSubsetType": "PERCENTAGE", "Percentage": 100}
    sagemaker.create_edge_deployment_plan(
        EdgeDeploymentPlanName="killed", DeviceFleetName="killed", ModelConfigs=[{"ModelHandle": "m", "EdgePackagingJobName": "killed"}],
        Stages=[{"StageName": "all", "DeviceSelectionConfig": selection}],
    )  # fmt: skip
    sagemaker.start_edge_deployment_stage(EdgeDeploymentPlanName="killed", StageName="all")
    edge = chaos.server.client("sagemaker-edge")
    for device in ("a", "b"):
        (offer,) = edge.get_deployments(DeviceName=device, DeviceFleetName="killed")["Deployments"]
        result = {"DeploymentName": offer["DeploymentName"], "DeploymentStatus": "SUCCESS"}
        edge.send_heartbeat(AgentVersion="1", DeviceName=device, DeviceFleetName="killed", DeploymentResult=result)
        if device == "a":
            chaos.restart()
    plan = sagemaker.describe_edge_deployment_plan(EdgeDeploymentPlanName="killed")
    assert (plan["Stages"][0]["DeploymentStatus"]["StageStatus"], plan["EdgeDeploymentSuccess"]) == ("DEPLOYED", 2)
    chaos.settled()
