"""SDK v2 with a container image of one's own: train, deploy, predict. Arguments: the image's URI."""

import json
import sys

import sagemaker
from sagemaker.estimator import Estimator

session = sagemaker.Session()
estimator = Estimator(
    image_uri=sys.argv[1], role=sagemaker.get_execution_role(), instance_count=1, instance_type="ml.m5.large",
    hyperparameters={"depth": 3}, sagemaker_session=session,
)
estimator.fit({"train": session.upload_string_as_file_body("1,2,3\n", session.default_bucket(), "custom/train.csv")})
predictor = estimator.deploy(1, "ml.m5.large")
answer = predictor.predict(b"abc").decode()
predictor.delete_endpoint()
print("\nRESULT", json.dumps({"answer": answer, "status": estimator.latest_training_job.describe()["TrainingJobStatus"]}))
