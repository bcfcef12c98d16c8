"""SDK v2's ModelBuilder: an InferenceSpec behind an endpoint."""

import json
import tempfile
from pathlib import Path

import sagemaker
from sagemaker.serve import InferenceSpec, ModelBuilder, SchemaBuilder
from sagemaker.serve.utils.types import ModelServer

FOLDER = Path(tempfile.mkdtemp())
(FOLDER / "prices.json").write_text(json.dumps({"metre": 3000, "room": 5000}))
HOUSES = [[100, 4], [50, 2]]


class Prices(InferenceSpec):
    """So much a square metre, and so much a room."""

    def load(self, model_dir):
        return json.loads((Path(model_dir) / "prices.json").read_text())

    def invoke(self, houses, model):
        return [metres * model["metre"] + rooms * model["room"] for metres, rooms in houses]


session = sagemaker.Session()
# the class goes into the model as bytecode: the image has to have this script's version of Python, and cloudpickle
builder = ModelBuilder(
    inference_spec=Prices(), schema_builder=SchemaBuilder(HOUSES, [320_000, 160_000]), model_path=str(FOLDER),
    model_server=ModelServer.TORCHSERVE, role_arn=sagemaker.get_execution_role(), sagemaker_session=session, instance_type="ml.m5.large",
    image_uri="683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.0-5",
)
builder.build()
predictor = builder.deploy(endpoint_name=sagemaker.utils.unique_name_from_base("houses"), initial_instance_count=1)
served = predictor.predict(HOUSES)
print("\nRESULT " + json.dumps({"served": served}))
predictor.delete_model()
predictor.delete_endpoint()
