"""SDK v3's ModelBuilder: an InferenceSpec is tried in this process first, then deployed to an endpoint."""

import json
import tempfile
import time
from pathlib import Path

from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.resources import EndpointConfig, Model
from sagemaker.serve.builder.schema_builder import SchemaBuilder
from sagemaker.serve.mode.function_pointers import Mode
from sagemaker.serve.model_builder import ModelBuilder
from sagemaker.serve.spec.inference_spec import InferenceSpec
from sagemaker.serve.utils.types import ModelServer

FOLDER = Path(tempfile.mkdtemp())
(FOLDER / "prices.json").write_text(json.dumps({"metre": 3000, "room": 5000}))
HOUSES = [[100, 4], [50, 2]]


class Prices(InferenceSpec):
    """So much a square metre, and so much a room."""

    def load(self, model_dir):
        return json.loads((Path(model_dir or FOLDER) / "prices.json").read_text())  # in this process there is no folder

    def invoke(self, houses, model):
        return [metres * model["metre"] + rooms * model["room"] for metres, rooms in houses]

    def preprocess(self, houses):
        return [[float(metres), float(rooms)] for metres, rooms in houses]


# the class goes into the model as bytecode: the image has to have this script's version of Python, and cloudpickle
def builder(mode):
    return ModelBuilder(
        inference_spec=Prices(), schema_builder=SchemaBuilder(HOUSES, [320_000, 160_000]), mode=mode, model_path=str(FOLDER),
        model_server=ModelServer.TORCHSERVE, role_arn=get_execution_role(), sagemaker_session=Session(), instance_type="ml.m5.large",
        image_uri="683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.0-5", dependencies={"auto": False},
    )


name = f"houses-{int(time.time() * 1000)}"
here = builder(Mode.IN_PROCESS)
here.build()
answer = here.deploy_local(endpoint_name=name).invoke(body=HOUSES)

there = builder(Mode.SAGEMAKER_ENDPOINT)
model = there.build()
endpoint = there.deploy(endpoint_name=name, initial_instance_count=1)
served = json.load(endpoint.invoke(body=json.dumps(HOUSES), content_type="application/json", accept="application/json").body)
environment = Model.get(model.model_name).primary_container.environment
print("\nRESULT " + json.dumps({"here": answer.body, "served": served, "program": environment.get("SAGEMAKER_PROGRAM")}))
configuration = endpoint.endpoint_config_name
endpoint.delete()
EndpointConfig.get(configuration).delete()
model.delete()
