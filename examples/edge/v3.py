"""SDK v3: the same by ModelTrainer and the resources CompilationJob, EdgePackagingJob, DeviceFleet and EdgeDeploymentPlan."""

import json
import sys
import tempfile
import time
from pathlib import Path

import boto3
from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.resources import CompilationJob, DeviceFleet, EdgeDeploymentPlan, EdgePackagingJob, TrainingJob
from sagemaker.core.shapes import (
    DeploymentStage,
    DeviceSelectionConfig,
    EdgeDeploymentConfig,
    EdgeDeploymentModelConfig,
    EdgeOutputConfig,
    InputConfig,
    OutputConfig,
    OutputDataConfig,
    StoppingCondition,
)
from sagemaker.train import ModelTrainer
from sagemaker.train.configs import Compute, InputData

sys.path.insert(0, str(Path(__file__).parent / "code"))
from line import CSV, DEVICES, Line

session, role, s3 = Session(), get_execution_role(), boto3.client("s3")
bucket, fleet = session.default_bucket(), f"line-v3-{int(time.time() * 1000)}"
where = f"s3://{bucket}/{fleet}"
s3.put_object(Bucket=bucket, Key=f"{fleet}/train/faults.csv", Body=CSV.encode())


def packaged(version, rounds):
    """Train, compile for a 64-bit ARM board, package; (the packaging job, bytes of the package)."""
    trainer = ModelTrainer(
        training_image=image_uris.retrieve("xgboost", session.boto_region_name, "1.7-1"), role=role, base_job_name="faults",
        compute=Compute(instance_type="ml.m5.large", instance_count=1), output_data_config=OutputDataConfig(s3_output_path=f"{where}/models"),
        hyperparameters={"objective": "binary:logistic", "num_round": rounds, "max_depth": 5},
    )
    trainer.train(input_data_config=[InputData(channel_name="train", data_source=f"{where}/train", content_type="text/csv")], logs=False)
    artifact = TrainingJob.get(trainer._latest_training_job.training_job_name).model_artifacts.s3_model_artifacts
    job = f"{fleet}-v{version}"
    CompilationJob.create(
        compilation_job_name=job, role_arn=role, stopping_condition=StoppingCondition(max_runtime_in_seconds=600),
        input_config=InputConfig(s3_uri=artifact, framework="XGBOOST"),
        output_config=OutputConfig(s3_output_location=f"{where}/compiled/{version}", target_device="rasp4b"),
    ).wait()
    package = EdgePackagingJob.create(
        edge_packaging_job_name=job, compilation_job_name=job, model_name="faults", model_version=version, role_arn=role,
        output_config=EdgeOutputConfig(s3_output_location=f"{where}/packages"),
    )
    package.wait()
    return job, s3.head_object(Bucket=bucket, Key=package.model_artifact.removeprefix(f"s3://{bucket}/"))["ContentLength"]


def deploy(name, job, **stages):
    """A plan, and its stages one after the other; the plan, and how each stage ended."""
    plan = EdgeDeploymentPlan.create(
        edge_deployment_plan_name=name, device_fleet_name=fleet,
        model_configs=[EdgeDeploymentModelConfig(model_handle="faults", edge_packaging_job_name=job)],
        stages=[
            DeploymentStage(
                stage_name=stage, device_selection_config=DeviceSelectionConfig(device_subset_type="SELECTION", device_names=devices),
                deployment_config=EdgeDeploymentConfig(failure_handling_policy="ROLLBACK_ON_FAILURE"),
            )
            for stage, devices in stages.items()
        ],
    )
    ended = []
    for number, stage in enumerate(stages):
        plan.start_stage(stage_name=stage)
        end = time.monotonic() + 60
        while True:
            status = plan.refresh().stages[number].deployment_status.stage_status
            if status not in ("STARTING", "INPROGRESS") or time.monotonic() > end:
                break
            time.sleep(0.05)
        ended.append(status)
    return plan, ended


(first, small), (second, large) = packaged("1", 5), packaged("2", 60)
devices = DeviceFleet.create(device_fleet_name=fleet, role_arn=role, output_config=EdgeOutputConfig(s3_output_location=f"{where}/captures"))
# the SDK's register_devices takes no Device: two of its classes have that name
boto3.client("sagemaker").register_devices(DeviceFleetName=fleet, Devices=[{"DeviceName": device} for device in DEVICES])
with tempfile.TemporaryDirectory() as folder, Line(folder, fleet, bucket, (small + large) // 2) as line:
    _, one = deploy(f"{fleet}-one", first, everywhere=list(DEVICES))
    plan, two = deploy(f"{fleet}-two", second, canary=["press"], rest=["oven", "saw"])
    summaries = list(plan.get_all_stage_devices(stage_name="rest"))
    answers = {device: line.ask(device) for device in DEVICES}
    captured = line.captured()
    report = devices.get_report()
print("\nRESULT " + json.dumps({
    "one": one, "two": two, "rest": {d.device_name: d.device_deployment_status for d in summaries},
    "why": next(d.device_deployment_status_message for d in summaries if d.device_name == "saw"),
    "answers": answers, "captured": captured, "connected": report.device_stats.connected_device_count,
}))
