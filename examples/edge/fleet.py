"""A fleet of three devices: train, compile, package, deploy in stages. One device cannot take version 2 and keeps version 1.

Plain boto3, and three agents as processes of this machine (code/line.py).
"""

import os
import sys
import tempfile
import time
from pathlib import Path

import boto3

sys.path.insert(0, str(Path(__file__).parent / "code"))
from line import CSV, DEVICES, Line

BUCKET, FLEET = f"sagemaker-edge-{os.getpid()}", f"line-{os.getpid()}"
sagemaker, s3 = boto3.client("sagemaker"), boto3.client("s3")
ROLE = f"arn:aws:iam::{boto3.client('sts').get_caller_identity()['Account']}:role/SagewrightExecutionRole"


def until(describe, status, wanted, seconds=120.0):
    """Poll until the status is one of ``wanted``; what was described."""
    end = time.monotonic() + seconds
    while (found := describe())[status] not in wanted:
        if found[status] == "FAILED" or time.monotonic() > end:
            raise SystemExit(f"{status} is {found[status]}: {found.get('FailureReason') or found.get('EdgePackagingJobStatusMessage')}")
        time.sleep(0.05)
    return found


def train(name, rounds):
    """The built-in XGBoost; where its model is."""
    image = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"
    channel = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/train"}
    sagemaker.create_training_job(
        TrainingJobName=name, RoleArn=ROLE, AlgorithmSpecification={"TrainingImage": image, "TrainingInputMode": "File"},
        HyperParameters={"objective": "binary:logistic", "num_round": str(rounds), "max_depth": "5"},
        InputDataConfig=[{"ChannelName": "train", "ContentType": "text/csv", "DataSource": {"S3DataSource": channel}}],
        OutputDataConfig={"S3OutputPath": f"s3://{BUCKET}/models"}, StoppingCondition={"MaxRuntimeInSeconds": 600},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
    )  # fmt: skip
    sagemaker.get_waiter("training_job_completed_or_stopped").wait(TrainingJobName=name)
    return sagemaker.describe_training_job(TrainingJobName=name)["ModelArtifacts"]["S3ModelArtifacts"]


def package(name, model, version):
    """Compile for a 64-bit ARM board, and package; the packaging job's description."""
    sagemaker.create_compilation_job(
        CompilationJobName=name, RoleArn=ROLE, InputConfig={"S3Uri": model, "Framework": "XGBOOST"},
        OutputConfig={"S3OutputLocation": f"s3://{BUCKET}/compiled/{version}", "TargetDevice": "rasp4b"},
        StoppingCondition={"MaxRuntimeInSeconds": 600},
    )  # fmt: skip
    until(lambda: sagemaker.describe_compilation_job(CompilationJobName=name), "CompilationJobStatus", ("COMPLETED",))
    sagemaker.create_edge_packaging_job(
        EdgePackagingJobName=name, CompilationJobName=name, ModelName="faults", ModelVersion=version, RoleArn=ROLE,
        OutputConfig={"S3OutputLocation": f"s3://{BUCKET}/{FLEET}/packages"},
    )  # fmt: skip
    return until(lambda: sagemaker.describe_edge_packaging_job(EdgePackagingJobName=name), "EdgePackagingJobStatus", ("COMPLETED",))


def deploy(name, job, stages):
    """A plan, and its stages one after the other; how each ended."""
    ended = []
    sagemaker.create_edge_deployment_plan(
        EdgeDeploymentPlanName=name, DeviceFleetName=FLEET, ModelConfigs=[{"ModelHandle": "faults", "EdgePackagingJobName": job}],
        Stages=[
            {"StageName": stage, "DeviceSelectionConfig": selection, "DeploymentConfig": {"FailureHandlingPolicy": "ROLLBACK_ON_FAILURE"}}
            for stage, selection in stages.items()
        ],
    )  # fmt: skip
    for number, stage in enumerate(stages):
        sagemaker.start_edge_deployment_stage(EdgeDeploymentPlanName=name, StageName=stage)

        def status(number=number):
            return sagemaker.describe_edge_deployment_plan(EdgeDeploymentPlanName=name)["Stages"][number]["DeploymentStatus"]

        end = time.monotonic() + 60
        while status()["StageStatus"] == "INPROGRESS":
            if time.monotonic() > end:
                raise SystemExit(f"stage {stage} does not end")
            time.sleep(0.05)
        ended.append(f"{stage} {status()['StageStatus']}")
    return ended


def main(folder):
    s3.create_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key="train/faults.csv", Body=CSV.encode())
    jobs = {v: f"{FLEET}-v{v}" for v in ("1", "2")}
    made = {v: package(jobs[v], train(jobs[v], rounds), v) for v, rounds in (("1", 5), ("2", 60))}
    sizes = {v: s3.head_object(Bucket=BUCKET, Key=made[v]["ModelArtifact"].partition(f"{BUCKET}/")[2])["ContentLength"] for v in made}

    sagemaker.create_device_fleet(DeviceFleetName=FLEET, RoleArn=ROLE, OutputConfig={"S3OutputLocation": f"s3://{BUCKET}/{FLEET}/captures"})
    sagemaker.register_devices(DeviceFleetName=FLEET, Devices=[{"DeviceName": device} for device in DEVICES])
    with Line(folder, FLEET, BUCKET, (sizes["1"] + sizes["2"]) // 2) as line:  # the saw's flash holds version 1, not version 2
        print("version 1:", *deploy(f"{FLEET}-one", jobs["1"], {"all": {"DeviceSubsetType": "PERCENTAGE", "Percentage": 100}}))
        two = {
            "first": {"DeviceSubsetType": "SELECTION", "DeviceNames": ["press"]},
            "rest": {"DeviceSubsetType": "SELECTION", "DeviceNames": ["oven", "saw"]},
        }
        print("version 2:", *deploy(f"{FLEET}-two", jobs["2"], two))
        for device in sagemaker.list_stage_devices(EdgeDeploymentPlanName=f"{FLEET}-two", StageName="rest")["DeviceDeploymentSummaries"]:
            print(device["DeviceName"], device["DeviceDeploymentStatus"], device.get("DeviceDeploymentStatusMessage", "").split(", this")[0])
        for device in DEVICES:
            version, prediction = line.ask(device)
            print(f"{device} predicts with version {version}: {prediction:.3f}")
        count = line.captured()
        report = sagemaker.get_device_fleet_report(DeviceFleetName=FLEET)
        print(f"{count} samples captured; connected: {report['DeviceStats']['ConnectedDeviceCount']} of {report['DeviceStats']['RegisteredDeviceCount']}")
        print("versions:", *(f"{m['ModelVersion']} on {m['ConnectedDeviceCount']}" for m in report["ModelStats"]))


with tempfile.TemporaryDirectory() as folder:
    main(folder)
