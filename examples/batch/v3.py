"""SDK v3: the same by the resources Model and TransformJob."""

import io
import json
import random
import tarfile
import time
from pathlib import Path

import boto3
from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.resources import Model, TransformJob
from sagemaker.core.shapes import (
    ContainerDefinition,
    DataProcessing,
    TransformDataSource,
    TransformInput,
    TransformOutput,
    TransformResources,
    TransformS3DataSource,
)

CODE = Path(__file__).parent / "code"
session, s3 = Session(), boto3.client("s3")
bucket, name = session.default_bucket(), f"batch-v3-{int(time.time() * 1000)}"
random.seed(1)
houses = {part: [[f"{part}{n}", random.randrange(40, 200), random.randrange(1, 7)] for n in range(5000)] for part in ("north", "south")}
for part, rows in houses.items():
    s3.put_object(Bucket=bucket, Key=f"{name}/in/{part}.csv", Body="".join(f"{','.join(map(str, row))}\n" for row in rows))
archive = io.BytesIO()
with tarfile.open(fileobj=archive, mode="w:gz") as tar:
    tar.add(CODE / "inference.py", "code/inference.py")
s3.put_object(Bucket=bucket, Key=f"{name}/model.tar.gz", Body=archive.getvalue())
Model.create(model_name=name, execution_role_arn=get_execution_role(), primary_container=ContainerDefinition(
    image=image_uris.retrieve("sklearn", session.boto_region_name, "1.2-1", instance_type="ml.m5.large", image_scope="inference"),
    model_data_url=f"s3://{bucket}/{name}/model.tar.gz",
    environment={"SAGEMAKER_PROGRAM": "inference.py", "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code", "SAGEMAKER_MODEL_SERVER_WORKERS": "1"},
))

job = TransformJob.create(
    transform_job_name=name, model_name=name, batch_strategy="MultiRecord", max_payload_in_mb=1, max_concurrent_transforms=2,
    transform_input=TransformInput(
        data_source=TransformDataSource(s3_data_source=TransformS3DataSource(s3_data_type="S3Prefix", s3_uri=f"s3://{bucket}/{name}/in/")),
        content_type="text/csv", split_type="Line",
    ),
    transform_output=TransformOutput(s3_output_path=f"s3://{bucket}/{name}/out", accept="text/csv", assemble_with="Line"),
    transform_resources=TransformResources(instance_type="ml.m5.large", instance_count=1),
    # the first column is no feature: it is filtered out of what the model gets, and joined again with its answer
    data_processing=DataProcessing(input_filter="$[1:]", join_source="Input", output_filter="$[0,-1]"),
)
job.wait()
right = {}
for part, rows in houses.items():
    lines = s3.get_object(Bucket=bucket, Key=f"{name}/out/{part}.csv.out")["Body"].read().decode().splitlines()
    found = [(cells[0], float(cells[1])) for cells in (line.split(",") for line in lines)]
    right[part] = found == [(key, metres * 3000.0 + rooms * 5000.0) for key, metres, rooms in rows]
print("\nRESULT " + json.dumps({"right": right, "status": job.transform_job_status}))
