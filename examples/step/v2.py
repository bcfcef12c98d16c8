"""SDK v2: functions become the steps of a pipeline; what one of them returned decides how it ends."""

import contextlib
import json
from pathlib import Path

import sagemaker
from botocore.exceptions import WaiterError
from sagemaker.remote_function.errors import RemoteFunctionError
from sagemaker.workflow.condition_step import ConditionStep
from sagemaker.workflow.conditions import ConditionGreaterThanOrEqualTo
from sagemaker.workflow.execution_variables import ExecutionVariables
from sagemaker.workflow.fail_step import FailStep
from sagemaker.workflow.function_step import step
from sagemaker.workflow.functions import Join
from sagemaker.workflow.parameters import ParameterFloat, ParameterInteger, ParameterString
from sagemaker.workflow.pipeline import Pipeline

IRIS = Path(__file__).parents[1] / "sklearn_script" / "iris.csv"
session = sagemaker.Session()
bucket = session.default_bucket()
# an image with the SDK, scikit-learn, and this script's version of Python, for functions travel as bytecode
settings = {
    "image_uri": f"885854791233.dkr.ecr.{session.boto_region_name}.amazonaws.com/sagemaker-distribution-prod:latest-cpu",
    "instance_type": "ml.m5.large",
}


@step(name="prepare", **settings)
def prepare(uri, share):
    """The flowers to learn from, and a share of them to judge by."""
    import io

    import numpy as np
    from sagemaker.s3 import S3Downloader

    if not 0 < share < 1:
        raise ValueError(f"a share of {share} cannot be parted off")
    flowers = np.loadtxt(io.StringIO(S3Downloader.read_file(uri)), delimiter=",")
    flowers = flowers[np.random.default_rng(3).permutation(len(flowers))]
    cut = round(len(flowers) * share)
    return {"test": flowers[:cut], "train": flowers[cut:]}


@step(name="train", **settings)
def train(flowers, rounds):
    """A linear model as plain numbers, so that no later step needs scikit-learn."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(max_iter=rounds).fit(flowers[:, 1:], flowers[:, 0].astype(int))
    return {"kinds": model.classes_.tolist(), "weights": model.coef_, "bias": model.intercept_}


@step(name="evaluate", **settings)
def evaluate(model, flowers):
    """How often the model is right about flowers that it has not seen."""
    import numpy as np

    said = np.take(model["kinds"], (flowers[:, 1:] @ model["weights"].T + model["bias"]).argmax(1))
    right = said == flowers[:, 0]
    return {"accuracy": float(right.mean()), "wrong": int((~right).sum())}


@step(name="release", **settings)
def release(model, accuracy, folder, execution):
    """The model where others find it."""
    import json

    from sagemaker.s3 import S3Uploader

    card = {"kinds": model["kinds"], "weights": model["weights"].tolist(), "bias": model["bias"].tolist(), "accuracy": accuracy}
    return S3Uploader.upload_string_as_file_body(json.dumps(card), f"{folder}/{execution}.json")


uri = session.upload_data(str(IRIS), bucket, "steps-v2")
data = ParameterString("Data", default_value=uri)
share, wanted = ParameterFloat("Share", default_value=0.3), ParameterFloat("Accuracy", default_value=0.9)
rounds = ParameterInteger("Rounds", default_value=200)

flowers = prepare(data, share)
model = train(flowers["train"], rounds)
score = evaluate(model, flowers["test"])
released = release(model, score["accuracy"], f"s3://{bucket}/steps-v2/released", ExecutionVariables.PIPELINE_EXECUTION_ID)
refused = FailStep("refuse", error_message=Join(on=" ", values=["an accuracy of", score["accuracy"], "is less than", wanted]))
enough = ConditionStep(
    "enough", conditions=[ConditionGreaterThanOrEqualTo(score["accuracy"], wanted)], if_steps=[released], else_steps=[refused],
)
# the steps that these need are found by what they are given
pipeline = Pipeline("irises-by-steps-v2", parameters=[data, share, wanted, rounds], steps=[enough], sagemaker_session=session)
pipeline.upsert(sagemaker.get_execution_role())


def look(execution):
    """How an execution ended: its status and reason, its steps, why those failed that did."""
    with contextlib.suppress(WaiterError):  # one that failed says why in its description
        execution.wait()
    described, steps = execution.describe(), execution.list_steps()
    return {
        "execution": execution.arn.rsplit("/", 1)[-1], "status": described["PipelineExecutionStatus"], "why": described.get("FailureReason"),
        "steps": {s["StepName"]: s["StepStatus"] for s in steps},
        "reasons": {s["StepName"]: s["FailureReason"] for s in steps if "FailureReason" in s},
    }


good = pipeline.start()
weak = pipeline.start(parameters={"Rounds": 1})
broken = pipeline.start(parameters={"Share": 2.0})
found = {"good": look(good), "weak": look(weak), "broken": look(broken)}
found |= {"score": good.result("evaluate"), "released": good.result("release"), "weak_score": weak.result("evaluate")}
found["shapes"] = {name: rows.shape for name, rows in good.result("prepare").items()}
try:
    broken.result("prepare")
except RemoteFunctionError as error:
    found["raised"] = str(error)
print("\nRESULT " + json.dumps(found))
