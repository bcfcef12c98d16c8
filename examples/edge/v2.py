"""SDK v2: a model is trained, compiled and packaged for a board, twice; three devices take the second version in stages.

One of them has no room for it and keeps the first. Compiling and packaging are the SDK's; for fleets and plans it has its client.
"""

import json
import sys
import tempfile
import time
from pathlib import Path

import sagemaker
from sagemaker.estimator import Estimator
from sagemaker.inputs import TrainingInput

sys.path.insert(0, str(Path(__file__).parent / "code"))
from line import CSV, DEVICES, Line

session, role = sagemaker.Session(), sagemaker.get_execution_role()
bucket, fleet, client = session.default_bucket(), sagemaker.utils.unique_name_from_base("line"), session.sagemaker_client
where = f"s3://{bucket}/{fleet}"
train = TrainingInput(session.upload_string_as_file_body(CSV, bucket, f"{fleet}/train/faults.csv"), content_type="text/csv")


def packaged(version, rounds):
    """Train, compile for a 64-bit ARM board, package; (the packaging job, bytes of the package)."""
    estimator = Estimator(
        sagemaker.image_uris.retrieve("xgboost", session.boto_region_name, "1.7-1"), role, 1, "ml.m5.large", output_path=f"{where}/models",
        sagemaker_session=session, hyperparameters={"objective": "binary:logistic", "num_round": str(rounds), "max_depth": "5"},
    )
    estimator.fit({"train": train}, logs=False)
    model, job = estimator.create_model(), f"{fleet}-v{version}"
    model.compile("rasp4b", {"data": [1, 6]}, f"{where}/compiled/{version}", role, job_name=job, framework="xgboost")
    model.package_for_edge(f"{where}/packages", "faults", version, role, job_name=job)
    key = model.model_data.removeprefix(f"s3://{bucket}/")
    return job, session.boto_session.client("s3").head_object(Bucket=bucket, Key=key)["ContentLength"]


def deploy(plan, job, **stages):
    """A plan, and its stages one after the other; how each ended."""
    client.create_edge_deployment_plan(
        EdgeDeploymentPlanName=plan, DeviceFleetName=fleet, ModelConfigs=[{"ModelHandle": "faults", "EdgePackagingJobName": job}],
        Stages=[
            {"StageName": stage, "DeploymentConfig": {"FailureHandlingPolicy": "ROLLBACK_ON_FAILURE"},
             "DeviceSelectionConfig": {"DeviceSubsetType": "SELECTION", "DeviceNames": devices}}
            for stage, devices in stages.items()
        ],
    )
    ended = []
    for number, stage in enumerate(stages):
        client.start_edge_deployment_stage(EdgeDeploymentPlanName=plan, StageName=stage)
        end = time.monotonic() + 60
        while True:
            status = client.describe_edge_deployment_plan(EdgeDeploymentPlanName=plan)["Stages"][number]["DeploymentStatus"]["StageStatus"]
            if status not in ("STARTING", "INPROGRESS") or time.monotonic() > end:
                break
            time.sleep(0.05)
        ended.append(status)
    return ended


(first, small), (second, large) = packaged("1", 5), packaged("2", 60)
client.create_device_fleet(DeviceFleetName=fleet, RoleArn=role, OutputConfig={"S3OutputLocation": f"{where}/captures"})
client.register_devices(DeviceFleetName=fleet, Devices=[{"DeviceName": device} for device in DEVICES])
with tempfile.TemporaryDirectory() as folder, Line(folder, fleet, bucket, (small + large) // 2) as line:
    one = deploy(f"{fleet}-one", first, everywhere=list(DEVICES))
    two = deploy(f"{fleet}-two", second, canary=["press"], rest=["oven", "saw"])
    summaries = client.list_stage_devices(EdgeDeploymentPlanName=f"{fleet}-two", StageName="rest")["DeviceDeploymentSummaries"]
    answers = {device: line.ask(device) for device in DEVICES}
    captured = line.captured()
    stats = client.get_device_fleet_report(DeviceFleetName=fleet)["DeviceStats"]
print("\nRESULT " + json.dumps({
    "one": one, "two": two, "rest": {d["DeviceName"]: d["DeviceDeploymentStatus"] for d in summaries},
    "why": next(d["DeviceDeploymentStatusMessage"] for d in summaries if d["DeviceName"] == "saw"),
    "answers": answers, "captured": captured, "connected": stats["ConnectedDeviceCount"],
}))
