"""SDK v2: preprocessing by scikit-learn and a model by XGBoost, trained apart, then one endpoint, and a batch, of both."""

import json
import sys
from pathlib import Path

import sagemaker
from sagemaker.deserializers import CSVDeserializer
from sagemaker.estimator import Estimator
from sagemaker.inputs import TrainingInput
from sagemaker.pipeline import PipelineModel
from sagemaker.serializers import CSVSerializer
from sagemaker.sklearn import SKLearn

CODE = Path(__file__).parent / "code"
sys.path.insert(0, str(CODE))
from homes import csv, homes, price  # noqa: E402

TYPE = "ml.m5.large"
session, role = sagemaker.Session(), sagemaker.get_execution_role()
bucket, name = session.default_bucket(), sagemaker.utils.unique_name_from_base("homes")
where = f"s3://{bucket}/{name}"
raw = session.upload_string_as_file_body(csv(homes(1_000)), bucket, f"{name}/raw/homes.csv")

prepare = SKLearn(
    entry_point="prepare.py", source_dir=str(CODE), role=role, framework_version="1.2-1", instance_type=TYPE, instance_count=1,
    output_path=f"{where}/models", sagemaker_session=session,
)
prepare.fit({"train": raw}, logs=False)

# the training data of the second model is what the first one makes of the raw data
transformer = prepare.transformer(1, TYPE, output_path=f"{where}/prepared", assemble_with="Line", accept="text/csv")
transformer.transform(raw, content_type="text/csv", split_type="Line", logs=False)

predict = Estimator(
    sagemaker.image_uris.retrieve("xgboost", session.boto_region_name, "1.7-1"), role, 1, TYPE, output_path=f"{where}/models",
    sagemaker_session=session, hyperparameters={"objective": "reg:squarederror", "num_round": "80", "max_depth": "4"},
)
predict.fit({"train": TrainingInput(f"{where}/prepared/", content_type="text/csv")}, logs=False)

pipeline = PipelineModel(
    models=[prepare.create_model(model_server_workers=1), predict.create_model()], role=role, name=name, sagemaker_session=session,
)
pipeline.deploy(1, TYPE, endpoint_name=name)
predictor = sagemaker.Predictor(name, session, CSVSerializer(), CSVDeserializer())
asked = [("north", 100, 4), ("harbour", 60, 2)]
answers = [float(cell) for row in predictor.predict(csv(asked)) for cell in row]
try:
    predictor.predict("north,large,many\n")
    said = ""
except session.sagemaker_runtime_client.exceptions.ModelError as error:
    said = error.response["Error"]["Message"]

session.upload_string_as_file_body(csv(asked), bucket, f"{name}/batch/asked.csv")
batch = pipeline.transformer(1, TYPE, output_path=f"{where}/answers", assemble_with="Line", accept="text/csv")
batch.transform(f"{where}/batch/", content_type="text/csv", split_type="Line", logs=False)
lines = session.read_s3_file(bucket, f"{name}/answers/asked.csv.out").split()

containers = session.sagemaker_client.describe_model(ModelName=pipeline.name)["Containers"]
pipeline.delete_model()
predictor.delete_endpoint()
print("\nRESULT " + json.dumps({
    "containers": len(containers), "truth": [price(*home) for home in asked], "answers": answers,
    "batch": [float(line) for line in lines], "refused": said,
}))
