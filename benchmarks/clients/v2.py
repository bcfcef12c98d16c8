"""What a user of SDK v2 waits for: fit, deploy, a processing step."""

import sys
import tempfile
from pathlib import Path

import numpy as np
import sagemaker
from clock import Clock
from sagemaker import image_uris
from sagemaker.estimator import Estimator
from sagemaker.inputs import TrainingInput
from sagemaker.serializers import CSVSerializer
from sagemaker.sklearn.processing import SKLearnProcessor
from sagemaker.xgboost import XGBoost

SOURCE = Path(__file__).parent / "src"
session = sagemaker.Session()
role = sagemaker.get_execution_role()
clock = Clock(int(sys.argv[1]))
machine = {"instance_type": "ml.m5.large", "instance_count": 1}

clock.measure("v2 Estimator.fit(), logs", lambda: XGBoost(
    "one_second.py", source_dir=str(SOURCE), framework_version="1.7-1", role=role, **machine,
).fit())

processor = SKLearnProcessor(framework_version="1.2-1", role=role, **machine)
clock.measure("v2 Processor.run(), logs", lambda: processor.run(code=str(SOURCE / "one_second.py")))

with tempfile.TemporaryDirectory() as folder:
    rows = np.random.default_rng(1).normal(size=(200, 4))
    np.savetxt(Path(folder) / "train.csv", rows, delimiter=",")
    data = session.upload_data(str(Path(folder) / "train.csv"), key_prefix="waits")
model = Estimator(
    image_uri=image_uris.retrieve("xgboost", session.boto_region_name, "1.7-1"), role=role,
    hyperparameters={"num_round": 5, "objective": "reg:squarederror"}, **machine,
)
model.fit({"train": TrainingInput(data, content_type="text/csv")}, logs=False)
endpoints = []
clock.measure("v2 deploy()", lambda: endpoints.append(
    model.deploy(initial_instance_count=1, instance_type="ml.m5.large", serializer=CSVSerializer())
))
for endpoint in endpoints:
    assert len(endpoint.predict(rows[:2, 1:]).decode().replace(",", "\n").split()) == 2
    endpoint.delete_endpoint()
clock.tell()
