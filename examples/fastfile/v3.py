"""SDK v3: the same script by ModelTrainer, over 10 GiB of which it reads 1 %."""

import json
import time
from pathlib import Path

import boto3
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.resources import TrainingJob
from sagemaker.core.shapes import Channel, DataSource, MetricDefinition, OutputDataConfig, S3DataSource
from sagemaker.train import ModelTrainer
from sagemaker.train.configs import Compute, SourceCode

MIB = 2**20
SHARDS, SHARD, STEP = 40, 256 * MIB, 16 * MIB
"""40 objects of 256 MiB, each with a number at every 16 MiB and zeros between them."""

session = Session()
s3, bucket = boto3.client("s3"), session.default_bucket()
shard = bytearray(SHARD)
for step in range(SHARD // STEP):
    shard[step * STEP : step * STEP + 8] = (step + 1).to_bytes(8, "little")
s3.put_object(Bucket=bucket, Key="fastfile-v3/set/shard-00.bin", Body=bytes(shard))
for number in range(1, SHARDS):
    source = {"Bucket": bucket, "Key": "fastfile-v3/set/shard-00.bin"}
    s3.copy_object(Bucket=bucket, Key=f"fastfile-v3/set/shard-{number:02d}.bin", CopySource=source)

trainer = ModelTrainer(
    training_image=f"683313688378.dkr.ecr.{session.boto_region_name}.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3",
    source_code=SourceCode(source_dir=str(Path(__file__).parent / "code"), entry_script="train.py"), role=get_execution_role(),
    compute=Compute(instance_type="ml.m5.large", instance_count=1), hyperparameters={"pieces": 102}, base_job_name="fastfile-v3",
    output_data_config=OutputDataConfig(s3_output_path=f"s3://{bucket}/fastfile-v3/models"),
).with_metric_definitions([
    MetricDefinition(name="read:bytes", regex=r"read_bytes=(\d+);"), MetricDefinition(name="channel:bytes", regex=r"channel_bytes=(\d+);"),
])
where = S3DataSource(s3_data_type="S3Prefix", s3_uri=f"s3://{bucket}/fastfile-v3/set", s3_data_distribution_type="FullyReplicated")
channel = Channel(channel_name="train", data_source=DataSource(s3_data_source=where), input_mode="FastFile")
began = time.monotonic()
trainer.train(input_data_config=[channel])
took = time.monotonic() - began
job = TrainingJob.get(trainer._latest_training_job.training_job_name)
stages = {t.status: (t.end_time - t.start_time).total_seconds() for t in job.secondary_status_transitions}
metrics = {m.metric_name: m.value for m in job.final_metric_data_list}
print("\nRESULT " + json.dumps({"metrics": metrics, "stages": stages, "took": took, "model": job.model_artifacts.s3_model_artifacts}))
