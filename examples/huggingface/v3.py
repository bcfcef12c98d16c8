"""SDK v3: the same scripts by ModelTrainer; a tiny language model made on the spot, then fine-tuned to classify sentences."""

import json
from pathlib import Path

from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.resources import TrainingJob
from sagemaker.core.shapes import MetricDefinition
from sagemaker.train import ModelTrainer
from sagemaker.train.configs import Compute, InputData, OutputDataConfig, SourceCode

session = Session()
bucket = session.default_bucket()
IMAGE = (
    f"763104351884.dkr.ecr.{session.boto_region_name}.amazonaws.com/"
    "huggingface-pytorch-training:2.13.0-transformers5.23.0-gpu-py311-cu130-ubuntu22.04"
)


def trainer(script: str, **more) -> ModelTrainer:
    return ModelTrainer(
        training_image=IMAGE, source_code=SourceCode(source_dir=str(Path(__file__).parent / "code"), entry_script=script),
        compute=Compute(instance_type="ml.m5.xlarge", instance_count=1), role=get_execution_role(), base_job_name="hf-v3",
        output_data_config=OutputDataConfig(s3_output_path=f"s3://{bucket}/huggingface-v3"), **more,
    )


base = trainer("pretrain.py")
base.train()
model = TrainingJob.get(base._latest_training_job.training_job_name).model_artifacts.s3_model_artifacts
tuned = trainer("finetune.py", hyperparameters={"epochs": 5, "learning-rate": 2e-3}).with_metric_definitions([
    MetricDefinition(name="eval:accuracy", regex=r"eval_accuracy=([0-9.]+)"), MetricDefinition(name="loss", regex=r"'loss': '?([0-9.]+)"),
])
tuned.train(input_data_config=[InputData(channel_name="model", data_source=model)])
job = TrainingJob.get(tuned._latest_training_job.training_job_name)
metrics = {m.metric_name: m.value for m in job.final_metric_data_list}
print("\nRESULT " + json.dumps({"job": job.training_job_name, "metrics": metrics, "model": job.model_artifacts.s3_model_artifacts}))
