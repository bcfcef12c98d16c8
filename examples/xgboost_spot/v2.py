"""SDK v2: built-in XGBoost on spot capacity that is taken away twice, and once undisturbed. The models are the same.

On Amazon's cloud nobody can say when spot capacity is reclaimed; here a tag plans it, in seconds after each start.
"""

import hashlib
import io
import json
import tarfile

import boto3
import numpy as np
import sagemaker
from sagemaker.estimator import Estimator
from sagemaker.inputs import TrainingInput

session = sagemaker.Session()
bucket = session.default_bucket()
random = np.random.default_rng(7)
features = random.normal(size=(20_000, 10))
label = features[:, 0] * 3 + np.sin(features[:, 1] * 2) + random.normal(size=20_000) * 0.1
text = io.StringIO()
np.savetxt(text, np.column_stack([label, features]), delimiter=",", fmt="%.6f")
data = session.upload_string_as_file_body(text.getvalue(), bucket, "spot/train.csv")


def train(name: str, interruptions: str) -> dict:
    estimator = Estimator(
        sagemaker.image_uris.retrieve("xgboost", session.boto_region_name, "1.7-1"), sagemaker.get_execution_role(), 1, "ml.m5.large",
        use_spot_instances=True, max_run=600, max_wait=1200, checkpoint_s3_uri=f"s3://{bucket}/spot/checkpoints/{name}",
        hyperparameters={"num_round": 600, "objective": "reg:squarederror", "max_depth": 6, "seed": 1, "tree_method": "hist"},
        tags=[{"Key": "sagewright:spot-interruptions", "Value": interruptions}] if interruptions else None,
        output_path=f"s3://{bucket}/spot/models", base_job_name=name,
    )
    estimator.fit({"train": TrainingInput(data, content_type="text/csv")})
    return estimator.latest_training_job.describe()


def trees(job: dict) -> bytes:
    """The model's bytes."""
    where = job["ModelArtifacts"]["S3ModelArtifacts"].removeprefix("s3://")
    archive = boto3.client("s3").get_object(Bucket=where.partition("/")[0], Key=where.partition("/")[2])["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return tar.extractfile("xgboost-model").read()


calm = train("calm", "")
rough = train("rough", "0.8 0.8")
statuses = [t["Status"] for t in rough["SecondaryStatusTransitions"]]
print("\nRESULT " + json.dumps({
    "statuses": statuses, "same": trees(calm) == trees(rough), "model": hashlib.sha256(trees(rough)).hexdigest(), "rmse": {m["MetricName"]: m["Value"] for m in rough["FinalMetricDataList"]},
    "billable": rough["BillableTimeInSeconds"], "seconds": rough["TrainingTimeInSeconds"],
}))
