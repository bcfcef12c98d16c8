"""A fleet of three devices: train, compile, package, deploy in stages. One device cannot take version 2 and keeps version 1.

Plain boto3, and three agents as processes of this machine. EDGE_PYTHON names a Python that has the agent; this one unless given.
"""

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import boto3
import numpy as np
from sagewright_edge_agent.client import Client

BUCKET, FLEET, DEVICES = f"sagemaker-edge-{os.getpid()}", f"line-{os.getpid()}", ("press", "oven", "saw")
sagemaker, s3, iam = boto3.client("sagemaker"), boto3.client("s3"), boto3.client("iam")
ACCOUNT = boto3.client("sts").get_caller_identity()["Account"]
ROLE = f"arn:aws:iam::{ACCOUNT}:role/SagewrightExecutionRole"


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
        OutputConfig={"S3OutputLocation": f"s3://{BUCKET}/packages"},
    )  # fmt: skip
    return until(lambda: sagemaker.describe_edge_packaging_job(EdgePackagingJobName=name), "EdgePackagingJobStatus", ("COMPLETED",))


def keys(device):
    """Keys of a device's own: it may speak for itself, read packages and write captures."""
    user = f"{FLEET}-{device}"
    iam.create_user(UserName=user)
    allow = [
        {"Action": ["sagemaker:SendHeartbeat", "sagemaker:GetDeployments", "sagemaker:GetDeviceRegistration"],
         "Resource": f"arn:aws:sagemaker:*:{ACCOUNT}:device-fleet/{FLEET}/device/{device}"},
        {"Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{BUCKET}/packages/*"},
        {"Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{BUCKET}/captures/*"},
    ]  # fmt: skip
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement} for statement in allow]}
    iam.put_user_policy(UserName=user, PolicyName="device", PolicyDocument=json.dumps(policy))
    made = iam.create_access_key(UserName=user)["AccessKey"]
    return {"access_key": made["AccessKeyId"], "secret_key": made["SecretAccessKey"]}


def start_agent(folder, device, limit):
    """One device: its configuration and its agent."""
    home = Path(folder, device)
    home.mkdir()
    (home / "keys.json").write_text(json.dumps(keys(device)))
    (home / "config.json").write_text(json.dumps({
        "sagemaker_edge_core_device_name": device, "sagemaker_edge_core_device_fleet_name": FLEET,
        "sagewright_edge_endpoint_url": os.environ["AWS_ENDPOINT_URL"], "sagewright_edge_root": str(home / "agent"),
        "sagewright_edge_credentials_file": str(home / "keys.json"), "sagewright_edge_heartbeat_seconds": 0.2,
        "sagewright_edge_max_model_bytes": limit,
    }))  # fmt: skip
    python = os.environ.get("EDGE_PYTHON", sys.executable)
    command = [python, "-m", "sagewright_edge_agent", "-a", str(home / "agent.sock"), "-c", str(home / "config.json")]
    return subprocess.Popen(command, stderr=(home / "agent.log").open("wb"))


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
    draw = random.Random(1)
    rows = [[draw.gauss(0, 1) for _ in range(6)] for _ in range(2000)]
    lines = "\n".join(",".join(f"{v:.5f}" for v in (int(r[0] * r[1] + r[2] > 0), *r)) for r in rows)
    s3.put_object(Bucket=BUCKET, Key="train/faults.csv", Body=lines.encode())
    jobs = {v: f"{FLEET}-v{v}" for v in ("1", "2")}
    made = {v: package(jobs[v], train(jobs[v], rounds), v) for v, rounds in (("1", 5), ("2", 60))}
    sizes = {v: s3.head_object(Bucket=BUCKET, Key=made[v]["ModelArtifact"].partition(f"{BUCKET}/")[2])["ContentLength"] for v in made}

    sagemaker.create_device_fleet(DeviceFleetName=FLEET, RoleArn=ROLE, OutputConfig={"S3OutputLocation": f"s3://{BUCKET}/captures"})
    sagemaker.register_devices(DeviceFleetName=FLEET, Devices=[{"DeviceName": device} for device in DEVICES])
    room = (sizes["1"] + sizes["2"]) // 2  # the saw's flash holds version 1, not version 2
    agents = [start_agent(folder, device, room if device == "saw" else 0) for device in DEVICES]
    try:
        print("version 1:", *deploy(f"{FLEET}-one", jobs["1"], {"all": {"DeviceSubsetType": "PERCENTAGE", "Percentage": 100}}))
        two = {
            "first": {"DeviceSubsetType": "SELECTION", "DeviceNames": ["press"]},
            "rest": {"DeviceSubsetType": "SELECTION", "DeviceNames": ["oven", "saw"]},
        }
        print("version 2:", *deploy(f"{FLEET}-two", jobs["2"], two))
        for device in sagemaker.list_stage_devices(EdgeDeploymentPlanName=f"{FLEET}-two", StageName="rest")["DeviceDeploymentSummaries"]:
            print(device["DeviceName"], device["DeviceDeploymentStatus"], device.get("DeviceDeploymentStatusMessage", "").split(", this")[0])
        sample = np.array(rows[:1], np.float32)
        for device in DEVICES:
            agent = Client(str(Path(folder, device, "agent.sock")))
            version = agent.call("DescribeModel", name="faults")["model"]["model_version"]
            print(f"{device} predicts with version {version}: {agent.predict('faults', data=sample)['predictions'][0]:.3f}")
            agent.call("CaptureData", model_name="faults", capture_id=f"sample-{device}", inputs=sample.tolist())
        end = time.monotonic() + 30
        while (count := s3.list_objects_v2(Bucket=BUCKET, Prefix="captures/")["KeyCount"]) < len(DEVICES) and time.monotonic() < end:
            time.sleep(0.05)
        report = sagemaker.get_device_fleet_report(DeviceFleetName=FLEET)
        print(f"{count} samples captured; connected: {report['DeviceStats']['ConnectedDeviceCount']} of {report['DeviceStats']['RegisteredDeviceCount']}")
        print("versions:", *(f"{m['ModelVersion']} on {m['ConnectedDeviceCount']}" for m in report["ModelStats"]))
    finally:
        for agent in agents:
            agent.terminate()
        for agent in agents:
            agent.wait()


with tempfile.TemporaryDirectory() as folder:
    main(folder)
