"""SDK v3: the same question by its resources, with stairs of users; and how to scale what is recommended."""

import io
import json
import sys
import tarfile
import time
from pathlib import Path

import boto3
from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.resources import InferenceRecommendationsJob, Model
from sagemaker.core.shapes import (
    ContainerDefinition,
    EndpointInputConfiguration,
    RecommendationJobContainerConfig,
    RecommendationJobInputConfig,
    RecommendationJobPayloadConfig,
    Stairs,
    TrafficPattern,
)

SECONDS = int(sys.argv[1]) if len(sys.argv) > 1 else 120
"""Of each step of a load test."""
CODE = Path(__file__).parent / "code"
session, s3 = Session(), boto3.client("s3")
bucket, name = session.default_bucket(), f"sizes-v3-{int(time.time() * 1000)}"
image = image_uris.retrieve("sklearn", session.boto_region_name, "1.2-1", instance_type="ml.m5.large", image_scope="inference")


def packed(path: str, text: str) -> bytes:
    """A tar.gz of one file."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        info = tarfile.TarInfo(path)
        info.size = len(text)
        tar.addfile(info, io.BytesIO(text.encode()))
    return out.getvalue()


s3.put_object(Bucket=bucket, Key=f"{name}/model.tar.gz", Body=packed("code/inference.py", (CODE / "inference.py").read_text()))
s3.put_object(Bucket=bucket, Key=f"{name}/payload.tar.gz", Body=packed("house.json", json.dumps({"metres": 80, "rooms": 3})))
Model.create(model_name=name, execution_role_arn=get_execution_role(), primary_container=ContainerDefinition(
    image=image, model_data_url=f"s3://{bucket}/{name}/model.tar.gz",
    environment={"SAGEMAKER_PROGRAM": "inference.py", "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code"},
))
job = InferenceRecommendationsJob.create(
    job_name=name, job_type="Advanced", role_arn=get_execution_role(),
    input_config=RecommendationJobInputConfig(
        model_name=name, job_duration_in_seconds=3600,
        container_config=RecommendationJobContainerConfig(payload_config=RecommendationJobPayloadConfig(
            sample_payload_url=f"s3://{bucket}/{name}/payload.tar.gz", supported_content_types=["application/json"])),
        endpoint_configurations=[EndpointInputConfiguration(instance_type=kind) for kind in ("ml.t2.medium", "ml.m5.24xlarge")],
        traffic_pattern=TrafficPattern(
            traffic_type="STAIRS", stairs=Stairs(duration_in_seconds=SECONDS, number_of_steps=2, users_per_step=1)),
    ),
)
job.wait()
# job.get_all_steps() shows those that are in the job's own status only
benchmarks = boto3.client("sagemaker").list_inference_recommendations_job_steps(JobName=name)["Steps"]
steps = {one["InferenceBenchmark"]["EndpointConfiguration"]["InstanceType"]: one["Status"] for one in benchmarks}
best = job.inference_recommendations[0]
print(best.endpoint_configuration.instance_type, best.metrics)
scaling = boto3.client("sagemaker").get_scaling_configuration_recommendation(
    InferenceRecommendationsJobName=name, RecommendationId=best.recommendation_id,
    ScalingPolicyObjective={"MinInvocationsPerMinute": 1, "MaxInvocationsPerMinute": 4 * best.metrics.max_invocations},
)["DynamicScalingConfiguration"]
print(scaling)
print("\nRESULT " + json.dumps({
    "status": job.status, "steps": steps, "most": best.metrics.max_invocations, "capacity": [scaling["MinCapacity"], scaling["MaxCapacity"]],
}))
