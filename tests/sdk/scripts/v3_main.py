"""SDK v3 as a user writes it: ModelTrainer, then the model and endpoint resources of sagemaker-core."""

import json
import sys
import time
from pathlib import Path

from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.resources import Endpoint, EndpointConfig, Model, TrainingJob
from sagemaker.core.shapes import ContainerDefinition, ProductionVariant
from sagemaker.train import ModelTrainer
from sagemaker.train.configs import Compute, InputData, OutputDataConfig, SourceCode

HERE = Path(__file__).parent
work = Path(sys.argv[1])
session = Session()
bucket = session.default_bucket()
role = get_execution_role()
image = f"683313688378.dkr.ecr.{session.boto_region_name}.amazonaws.com/sagemaker-base-python:3.11"
took = {}


def timed(name, call):
    began = time.monotonic()
    result = call()
    took[name] = round(time.monotonic() - began, 2)
    return result


(work / "train").mkdir()
(work / "train" / "a.csv").write_text("1,2\n3,4\n")
trainer = ModelTrainer(
    training_image=image, source_code=SourceCode(source_dir=str(HERE / "src"), entry_script="v3_train.py"),
    base_job_name="v3", role=role, compute=Compute(instance_type="ml.m5.large", instance_count=1),
    hyperparameters={"scale": 2}, output_data_config=OutputDataConfig(s3_output_path=f"s3://{bucket}/v3"),
)
timed("train", lambda: trainer.train(input_data_config=[InputData(channel_name="train", data_source=str(work / "train"))]))
job = TrainingJob.get(trainer._latest_training_job.training_job_name)

model = Model.create(
    model_name="v3-model", execution_role_arn=role,
    primary_container=ContainerDefinition(image=sys.argv[2], model_data_url=sys.argv[3]),
)
EndpointConfig.create(endpoint_config_name="v3-config", production_variants=[
    ProductionVariant(variant_name="AllTraffic", model_name="v3-model", instance_type="ml.m5.large", initial_instance_count=1)])
endpoint = Endpoint.create(endpoint_name="v3-endpoint", endpoint_config_name="v3-config")
timed("endpoint", lambda: endpoint.wait_for_status("InService"))
answer = endpoint.invoke(body=b"0.1,0.2,0.3,0.4", content_type="text/csv").body.read().decode()
endpoint.delete()
model.delete()
print("\nRESULT " + json.dumps({
    "took": took, "status": job.training_job_status, "artifact": job.model_artifacts.s3_model_artifacts, "answer": answer,
}))
