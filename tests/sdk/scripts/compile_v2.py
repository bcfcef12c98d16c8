"""An SDK v2 user compiles a model, deploys what came out, and asks both."""

import io
import json
import sys
import tarfile

import numpy as np
import sagemaker
from sagemaker.model import Model
from sagemaker.predictor import Predictor
from sagemaker.serializers import CSVSerializer

role, name, booster = sys.argv[1:4]
session = sagemaker.Session()
bucket = session.default_bucket()
body = io.BytesIO()
with tarfile.open(fileobj=body, mode="w:gz") as archive:
    archive.add(booster, "xgboost-model")
session.boto_session.client("s3").put_object(Bucket=bucket, Key=f"{name}/model.tar.gz", Body=body.getvalue())

image = sagemaker.image_uris.retrieve("xgboost", "us-east-1", "1.7-1")
model = Model(image, f"s3://{bucket}/{name}/model.tar.gz", role, Predictor, name=name, sagemaker_session=session)
model.compile("ml_c5", {"data": [1, 2]}, f"s3://{bucket}/{name}", role, job_name=name, framework="xgboost")
predictor = model.deploy(1, "ml.c5.xlarge", serializer=CSVSerializer())
rows = np.array([[0.2, 1.0], [0.7, 1.0], [0.5, 0.0]])
found = json.loads(predictor.predict(rows))
predictor.delete_endpoint()
artifact = model.model_data
model.package_for_edge(f"s3://{bucket}/{name}/packages", "stump", "1.0", role, job_name=name)
print("\nRESULT " + json.dumps({"image": model.image_uri, "artifact": artifact, "package": model.model_data, "found": found}))
