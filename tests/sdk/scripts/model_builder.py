"""Model objects given to ModelBuilder, and what goes with them: ``SDK FOLDER...``; the folders hold the frameworks."""

import json
import sys
import tempfile
import time

sdk, *folders = sys.argv[1:]
sys.path += folders  # behind the SDK's own environment

import numpy as np  # noqa: E402
import torch  # noqa: E402
from sagemaker.serve.builder.schema_builder import SchemaBuilder  # noqa: E402
from sagemaker.serve.marshalling.custom_payload_translator import CustomPayloadTranslator  # noqa: E402
from sagemaker.serve.mode.function_pointers import Mode  # noqa: E402
from sagemaker.serve.spec.inference_spec import InferenceSpec  # noqa: E402
from sagemaker.serve.utils.types import ModelServer  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402
from xgboost import XGBRFClassifier  # noqa: E402

if sdk == "v2":
    from sagemaker import Session, get_execution_role
    from sagemaker.serve import ModelBuilder
else:
    from sagemaker.core.helper.session_helper import Session, get_execution_role
    from sagemaker.core.resources import Endpoint
    from sagemaker.serve.model_builder import ModelBuilder

PYTORCH = "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-inference:2.13.0-cpu-py311"
XGBOOST = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.0-5"


class Semicolons(CustomPayloadTranslator):
    def serialize_payload_to_bytes(self, payload):
        return ";".join(map(str, payload)).encode()

    def deserialize_payload_from_stream(self, stream):
        return [float(cell) for cell in stream.read().decode().split(";")]


class Doubled(InferenceSpec):
    def load(self, model_dir):
        import numpy

        return numpy.float64(2)

    def invoke(self, numbers, model):
        return [float(model * number) for number in numbers]

    def postprocess(self, numbers):
        return [-number for number in numbers]


chance = np.random.default_rng(7)
rows = chance.normal(size=(200, 4)).astype(np.float32)
labels = (rows.sum(axis=1) > 0).astype(int)
session = Session()
found = {}


def asked(name, image, given, schema, question):
    """An endpoint's answer."""
    builder = ModelBuilder(
        **given, schema_builder=schema, model_path=tempfile.mkdtemp(), model_server=ModelServer.TORCHSERVE, role_arn=get_execution_role(),
        sagemaker_session=session, instance_type="ml.m5.large", image_uri=image, dependencies={"auto": False},
    )
    built = builder.build()
    name = f"{name}-{time.time_ns()}"
    if sdk == "v2":
        predictor = builder.deploy(endpoint_name=name, initial_instance_count=1)
        answer = predictor.predict(question)
        predictor.delete_model()
        predictor.delete_endpoint()
        return answer
    endpoint = builder.deploy(endpoint_name=name, initial_instance_count=1)
    serializer = getattr(schema, "custom_input_translator", None) or schema.input_serializer
    deserializer = getattr(schema, "custom_output_translator", None) or schema.output_deserializer
    got = endpoint.invoke(body=serializer.serialize(question), content_type=serializer.CONTENT_TYPE, accept=deserializer.ACCEPT)
    answer = deserializer.deserialize(got.body, got.content_type)
    Endpoint.get(name).delete()
    built.delete()
    return answer


forest = XGBRFClassifier(n_estimators=5, max_depth=2).fit(rows, labels)
forest._estimator_type = "classifier"  # XGBoost 3.0 saves it, scikit-learn has done without since 1.8
answer = asked("forest", XGBOOST, {"model": forest}, SchemaBuilder(rows, labels), rows[:20])
found["xgboost"] = np.array_equal(answer, forest.predict(rows[:20]))

if sdk == "v3":  # v2 does not know scikit-learn's classes
    pipeline = make_pipeline(StandardScaler(), LogisticRegression()).fit(rows, labels)
    answer = asked("pipeline", PYTORCH, {"model": pipeline}, SchemaBuilder(rows, labels), rows[:20])
    found["sklearn"] = np.array_equal(answer, pipeline.predict(rows[:20]))

network = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Dropout(0.9), torch.nn.Linear(8, 1)).eval()
tensor = torch.from_numpy(rows)
answer = asked("network", PYTORCH, {"model": network.train()}, SchemaBuilder(tensor, network(tensor)), tensor[:20])
found["pytorch"] = torch.allclose(answer, network.eval()(tensor[:20]), atol=1e-5)  # without the dropout

own = SchemaBuilder([1.0, 2.0], [2.0, 4.0], input_translator=Semicolons(), output_translator=Semicolons())
if sdk == "v2":
    # the SDK serves by itself, on a port of its own, and wants PyTorch for it; v3's is in the examples
    here = ModelBuilder(
        inference_spec=Doubled(), schema_builder=SchemaBuilder([1.0, 2.0], [2.0, 4.0]), mode=Mode.IN_PROCESS, model_path=tempfile.mkdtemp(),
        role_arn=get_execution_role(), sagemaker_session=session,
    )
    here.build()
    found["here"] = here.deploy().predict([1.0, 2.5])
    here.modes[str(Mode.IN_PROCESS)].destroy_server()
found["translated"] = asked("doubled", PYTORCH, {"inference_spec": Doubled()}, own, [1.0, 2.5])
print("\nRESULT " + json.dumps(found))
