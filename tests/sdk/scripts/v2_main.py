"""SDK v2 as a user writes it: process, train built-in XGBoost, deploy, predict, transform, train a scikit-learn script."""

import json
import sys
import time
from pathlib import Path

import numpy as np
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
work = Path(sys.argv[1])
session = sagemaker.Session()
role = sagemaker.get_execution_role()
bucket = session.default_bucket()
took = {}


def timed(name, call):
    began = time.monotonic()
    result = call()
    took[name] = round(time.monotonic() - began, 2)
    return result


rng = np.random.default_rng(7)
x = rng.normal(size=(600, 4))
y = x @ [1.0, -2.0, 0.5, 0.0] + 0.1 * rng.normal(size=600)
np.savetxt(work / "raw.csv", np.column_stack([y, x]), delimiter=",")

processor = SKLearnProcessor(framework_version="1.2-1", role=role, instance_type="ml.m5.large", instance_count=1)
timed("process", lambda: processor.run(
    code=str(HERE / "src" / "split.py"),
    inputs=[ProcessingInput(source=str(work / "raw.csv"), destination="/opt/ml/processing/input/raw")],
    outputs=[
        ProcessingOutput(output_name="train", source="/opt/ml/processing/train"),
        ProcessingOutput(output_name="test", source="/opt/ml/processing/test"),
    ],
))
outputs = {o["OutputName"]: o["S3Output"]["S3Uri"] for o in processor.latest_job.describe()["ProcessingOutputConfig"]["Outputs"]}

xgboost = Estimator(
    image_uri=image_uris.retrieve("xgboost", session.boto_region_name, "1.7-1"),
    role=role, instance_count=1, instance_type="ml.m5.large", output_path=f"s3://{bucket}/models",
    hyperparameters={"num_round": 40, "objective": "reg:squarederror", "max_depth": 4},
)
channels = {
    "train": TrainingInput(outputs["train"], content_type="text/csv"),
    "validation": TrainingInput(outputs["test"], content_type="text/csv"),
}
timed("fit", lambda: xgboost.fit(channels))
lag = time.time() - xgboost.latest_training_job.describe()["TrainingEndTime"].timestamp()
metrics = {m["MetricName"]: m["Value"] for m in xgboost.latest_training_job.describe()["FinalMetricDataList"]}

predictor = timed("deploy", lambda: xgboost.deploy(
    initial_instance_count=1, instance_type="ml.m5.large", serializer=CSVSerializer(), deserializer=CSVDeserializer(),
))
predicted = [float(v) for row in predictor.predict(x[:5]) for v in row]

transformer = xgboost.transformer(1, "ml.m5.large", accept="text/csv", assemble_with="Line", output_path=f"s3://{bucket}/batch")
np.savetxt(work / "batch.csv", x[:50], delimiter=",")
batch = session.upload_data(str(work / "batch.csv"), bucket, "batch-input")
timed("transform", lambda: transformer.transform(batch, content_type="text/csv", split_type="Line", wait=True))
lines = session.read_s3_file(bucket, "batch/batch.csv.out").strip().splitlines()

sklearn = SKLearn(
    entry_point="train_ridge.py", source_dir=str(HERE / "src"), role=role, framework_version="1.2-1",
    instance_type="ml.m5.large", hyperparameters={"alpha": 0.5}, output_path=f"s3://{bucket}/models",
)
timed("sklearn_fit", lambda: sklearn.fit({"train": outputs["train"]}))
ridge = sklearn.deploy(initial_instance_count=1, instance_type="ml.m5.large")
ridge_predicted = [float(v) for v in ridge.predict(x[:5])]

for one in (predictor, ridge):
    one.delete_model()
    one.delete_endpoint()
print("\nRESULT " + json.dumps({
    "took": took, "lag": lag, "metrics": metrics, "truth": y[:5].tolist(), "xgboost": predicted, "ridge": ridge_predicted,
    "lines": len(lines), "batch_first": float(lines[0]),
}))
