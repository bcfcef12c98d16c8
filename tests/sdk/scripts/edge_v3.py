"""A user of SDK v3's resources compiles, packages, and deploys to a fleet of one, in whose place this script reports."""

import json
import sys
import time

import boto3
from sagemaker.core.resources import CompilationJob, DeviceFleet, EdgeDeploymentPlan, EdgePackagingJob
from sagemaker.core.shapes import (
    DeploymentStage,
    DeviceSelectionConfig,
    EdgeDeploymentConfig,
    EdgeDeploymentModelConfig,
    EdgeOutputConfig,
    InputConfig,
    OutputConfig,
    StoppingCondition,
)  # fmt: skip

role, name = sys.argv[1:3]


def compiled(job, target):
    return CompilationJob.create(
        compilation_job_name=job, role_arn=role, stopping_condition=StoppingCondition(max_runtime_in_seconds=600),
        input_config=InputConfig(s3_uri=f"s3://{name}/model.tar.gz", framework="XGBOOST"),
        output_config=OutputConfig(s3_output_location=f"s3://{name}/compiled", target_device=target),
    )  # fmt: skip


job = compiled(name, "rasp4b")
job.wait()
refused = compiled(f"{name}-gpu", "jetson_nano")
try:
    refused.wait()
except Exception as error:
    said = "compiles for a GPU" in str(error)
package = EdgePackagingJob.create(
    edge_packaging_job_name=name, compilation_job_name=name, model_name="stump", model_version="1.0", role_arn=role,
    output_config=EdgeOutputConfig(s3_output_location=f"s3://{name}/packages"),
)  # fmt: skip
package.wait()
fleet = DeviceFleet.create(device_fleet_name=name, output_config=EdgeOutputConfig(s3_output_location=f"s3://{name}/captures"))
# the SDK's register_devices takes no Device: two of its classes have that name
boto3.client("sagemaker").register_devices(DeviceFleetName=fleet.device_fleet_name, Devices=[{"DeviceName": "press"}])
plan = EdgeDeploymentPlan.create(
    edge_deployment_plan_name=name, device_fleet_name=name,
    model_configs=[EdgeDeploymentModelConfig(model_handle="stump", edge_packaging_job_name=name)],
    stages=[DeploymentStage(
        stage_name="all", device_selection_config=DeviceSelectionConfig(device_subset_type="PERCENTAGE", percentage=100),
        deployment_config=EdgeDeploymentConfig(failure_handling_policy="ROLLBACK_ON_FAILURE"),
    )],
)  # fmt: skip
plan.start_stage(stage_name="all")
edge = boto3.client("sagemaker-edge")
offer = edge.get_deployments(DeviceName="press", DeviceFleetName=name)["Deployments"][0]
edge.send_heartbeat(
    AgentVersion="1", DeviceName="press", DeviceFleetName=name,
    DeploymentResult={"DeploymentName": offer["DeploymentName"], "DeploymentStatus": "SUCCESS", "DeploymentEndTime": time.time()},
)  # fmt: skip
plan.refresh()
counts = [plan.edge_deployment_success, plan.edge_deployment_pending, plan.edge_deployment_failed]
devices = [device.device_name for device in plan.get_all_stage_devices(stage_name="all")]
stage = plan.stages[0].deployment_status.stage_status
print("\nRESULT " + json.dumps({
    "compiled": job.model_artifacts.s3_model_artifacts, "refused": said, "stage": stage, "counts": counts, "devices": devices,
}))  # fmt: skip
