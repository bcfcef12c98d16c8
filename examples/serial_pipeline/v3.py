"""SDK v3: the same by ModelTrainer and the resources: TransformJob, Model with several containers, Endpoint."""

import io
import json
import sys
import tarfile
import time
from pathlib import Path

import boto3
from botocore.exceptions import ClientError
from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.resources import Endpoint, EndpointConfig, Model, TrainingJob, TransformJob
from sagemaker.core.shapes import (
    ContainerDefinition,
    OutputDataConfig,
    ProductionVariant,
    TransformDataSource,
    TransformInput,
    TransformOutput,
    TransformResources,
    TransformS3DataSource,
)
from sagemaker.train import ModelTrainer
from sagemaker.train.configs import Compute, InputData, SourceCode

CODE = Path(__file__).parent / "code"
sys.path.insert(0, str(CODE))
from homes import csv, homes, price  # noqa: E402

TYPE = "ml.m5.large"
session, role, s3 = Session(), get_execution_role(), boto3.client("s3")
bucket, name, region = session.default_bucket(), f"homes-v3-{int(time.time() * 1000)}", session.boto_region_name
where = f"s3://{bucket}/{name}"
sklearn = image_uris.retrieve("sklearn", region, "1.2-1", instance_type=TYPE, image_scope="inference")
xgboost = image_uris.retrieve("xgboost", region, "1.7-1")
s3.put_object(Bucket=bucket, Key=f"{name}/raw/homes.csv", Body=csv(homes(1_000)))


def trained(stem, data, **more):
    """The artifact of a training job."""
    trainer = ModelTrainer(
        role=role, base_job_name=stem, compute=Compute(instance_type=TYPE, instance_count=1),
        output_data_config=OutputDataConfig(s3_output_path=f"{where}/models"), **more,
    )
    trainer.train(input_data_config=[InputData(channel_name="train", data_source=data, content_type="text/csv")], logs=False)
    return TrainingJob.get(trainer._latest_training_job.training_job_name).model_artifacts.s3_model_artifacts


def transformed(model, source, target):
    """Every line of ``source`` through a model."""
    job = TransformJob.create(
        transform_job_name=f"{model}-{target}", model_name=model,
        transform_input=TransformInput(
            data_source=TransformDataSource(s3_data_source=TransformS3DataSource(s3_data_type="S3Prefix", s3_uri=source)),
            content_type="text/csv", split_type="Line",
        ),
        transform_output=TransformOutput(s3_output_path=f"{where}/{target}", assemble_with="Line", accept="text/csv"),
        transform_resources=TransformResources(instance_type=TYPE, instance_count=1),
    )
    job.wait()


artifact = trained(
    "prepare", f"{where}/raw/", training_image=sklearn, source_code=SourceCode(source_dir=str(CODE), entry_script="prepare.py")
)
archive = io.BytesIO()
with tarfile.open(fileobj=archive, mode="w:gz") as tar:
    tar.add(CODE, "")
s3.put_object(Bucket=bucket, Key=f"{name}/code.tar.gz", Body=archive.getvalue())
prepare = ContainerDefinition(image=sklearn, model_data_url=artifact, container_hostname="prepare", environment={
    "SAGEMAKER_PROGRAM": "prepare.py", "SAGEMAKER_SUBMIT_DIRECTORY": f"{where}/code.tar.gz", "SAGEMAKER_MODEL_SERVER_WORKERS": "1",
})
Model.create(model_name=f"{name}-prepare", primary_container=prepare, execution_role_arn=role)
transformed(f"{name}-prepare", f"{where}/raw/", "prepared")
artifact = trained(
    "predict", f"{where}/prepared/", training_image=xgboost,
    hyperparameters={"objective": "reg:squarederror", "num_round": "80", "max_depth": "4"},
)
predict = ContainerDefinition(image=xgboost, model_data_url=artifact, container_hostname="predict")

pipeline = Model.create(model_name=name, containers=[prepare, predict], execution_role_arn=role)
EndpointConfig.create(endpoint_config_name=name, production_variants=[
    ProductionVariant(variant_name="AllTraffic", model_name=name, instance_type=TYPE, initial_instance_count=1)])
endpoint = Endpoint.create(endpoint_name=name, endpoint_config_name=name)
endpoint.wait_for_status("InService")
asked = [("north", 100, 4), ("harbour", 60, 2)]
answers = [float(line) for line in endpoint.invoke(body=csv(asked), content_type="text/csv", accept="text/csv").body.read().decode().replace(",", " ").split()]
try:
    endpoint.invoke(body="north,large,many\n", content_type="text/csv")
    said = ""
except ClientError as error:
    said = error.response["Error"]["Message"]

s3.put_object(Bucket=bucket, Key=f"{name}/batch/asked.csv", Body=csv(asked))
transformed(name, f"{where}/batch/", "answers")
lines = s3.get_object(Bucket=bucket, Key=f"{name}/answers/asked.csv.out")["Body"].read().decode().split()
containers = Model.get(name).containers
endpoint.delete()
pipeline.delete()
print("\nRESULT " + json.dumps({
    "containers": len(containers), "truth": [price(*home) for home in asked], "answers": answers,
    "batch": [float(line) for line in lines], "refused": said,
}))
