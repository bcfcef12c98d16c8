"""SDK v3: the same data and script on two hosts; ModelTrainer brings its own torchrun driver."""

import json
from pathlib import Path

from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.processing import ScriptProcessor
from sagemaker.core.resources import TrainingJob
from sagemaker.core.shapes import MetricDefinition, ProcessingOutput, ProcessingS3Output
from sagemaker.train import ModelTrainer
from sagemaker.train.configs import Compute, InputData, OutputDataConfig, SourceCode
from sagemaker.train.distributed import Torchrun

CODE = str(Path(__file__).parent / "code")
session = Session()
role, bucket = get_execution_role(), session.default_bucket()
image = f"763104351884.dkr.ecr.{session.boto_region_name}.amazonaws.com/pytorch-training:2.13.0-cpu-py311"

maker = ScriptProcessor(image_uri=image, command=["python3"], role=role, instance_type="ml.m5.large", instance_count=1)
spirals = ProcessingS3Output(s3_uri=f"s3://{bucket}/spirals-v3", local_path="/opt/ml/processing/output", s3_upload_mode="EndOfJob")
maker.run(code=f"{CODE}/make_data.py", outputs=[ProcessingOutput(output_name="spirals", s3_output=spirals)])

trainer = ModelTrainer(
    training_image=image, source_code=SourceCode(source_dir=CODE, entry_script="train.py"),
    distributed=Torchrun(process_count_per_node=1), compute=Compute(instance_type="ml.m5.large", instance_count=2),
    base_job_name="ddp-v3", role=role, hyperparameters={"epochs": 20}, output_data_config=OutputDataConfig(s3_output_path=f"s3://{bucket}/ddp-v3"),
).with_metric_definitions([
    MetricDefinition(name="train:loss", regex=r"train_loss=([0-9.]+)"), MetricDefinition(name="accuracy", regex=r"accuracy=([0-9.]+)"),
])
trainer.train(input_data_config=[InputData(channel_name="train", data_source=f"s3://{bucket}/spirals-v3")])
job = TrainingJob.get(trainer._latest_training_job.training_job_name)
metrics = {m.metric_name: m.value for m in job.final_metric_data_list}
print("\nRESULT " + json.dumps({"job": job.training_job_name, "metrics": metrics, "model": job.model_artifacts.s3_model_artifacts}))
