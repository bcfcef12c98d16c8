"""SDK v2: a training job over 10 GiB of which it reads 1 %. In FastFile mode it starts at once and nothing else is fetched."""

import json
import sys
import time
from pathlib import Path

import boto3
import sagemaker
from sagemaker.inputs import TrainingInput
from sagemaker.sklearn import SKLearn

HERE = Path(__file__).parent
MIB = 2**20
SHARDS, SHARD, STEP = 40, 256 * MIB, 16 * MIB
"""40 objects of 256 MiB, each with a number at every 16 MiB and zeros between them."""

session = sagemaker.Session()
s3, bucket = boto3.client("s3"), session.default_bucket()
shard = bytearray(SHARD)
for step in range(SHARD // STEP):
    shard[step * STEP : step * STEP + 8] = (step + 1).to_bytes(8, "little")
s3.put_object(Bucket=bucket, Key="fastfile/set/shard-00.bin", Body=bytes(shard))
for number in range(1, SHARDS):
    source = {"Bucket": bucket, "Key": "fastfile/set/shard-00.bin"}
    s3.copy_object(Bucket=bucket, Key=f"fastfile/set/shard-{number:02d}.bin", CopySource=source)

estimator = SKLearn(
    entry_point="train.py", source_dir=str(HERE / "code"), role=sagemaker.get_execution_role(), framework_version="1.2-1",
    instance_type="ml.m5.large", output_path=f"s3://{bucket}/fastfile/models", hyperparameters={"pieces": 102},
    metric_definitions=[{"Name": "read:bytes", "Regex": r"read_bytes=(\d+);"}, {"Name": "channel:bytes", "Regex": r"channel_bytes=(\d+);"}],
)  # fmt: skip
channel = TrainingInput(f"s3://{bucket}/fastfile/set", input_mode=sys.argv[1] if len(sys.argv) > 1 else "FastFile")
began = time.monotonic()
estimator.fit({"train": channel})
took = time.monotonic() - began
job = estimator.latest_training_job.describe()
stages = {t["Status"]: (t["EndTime"] - t["StartTime"]).total_seconds() for t in job["SecondaryStatusTransitions"]}
metrics = {m["MetricName"]: m["Value"] for m in job["FinalMetricDataList"]}
print("\nRESULT " + json.dumps({"metrics": metrics, "stages": stages, "took": took, "model": job["ModelArtifacts"]["S3ModelArtifacts"]}))
