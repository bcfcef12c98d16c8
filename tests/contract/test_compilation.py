"""Compilation jobs through boto3, with the real compilers: what comes out predicts what went in."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import tarfile
import time
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagewright.agent.images import Catalogue
from sagewright.testing.names import unique
from sagewright.testing.server import TestServer

ROLE = "arn:aws:iam::123456789012:role/SagewrightExecutionRole"
BUCKET = "compilation-tests"
IMAGES = Path(__file__).parents[2] / "images"

XGBOOST = """
import numpy as np, xgboost as xgb
x = np.random.default_rng(1).standard_normal((400, 5)).astype("float32")
x[::7, 2] = np.nan
booster = xgb.train({"objective": "binary:logistic", "max_depth": 4}, xgb.DMatrix(x, x[:, 0] + np.nan_to_num(x[:, 2]) > 0), 15)
booster.save_model(folder + "/xgboost-model")
rows = x[:50]
answers = [booster.predict(xgb.DMatrix(rows))]
"""
SKLEARN = """
import joblib, numpy as np
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
x, y = load_iris(return_X_y=True)
model = make_pipeline(StandardScaler(), RandomForestClassifier(20, random_state=0)).fit(x, y)
joblib.dump(model, folder + "/model.joblib")
rows = x[:50].astype("float32")
answers = [model.predict(rows.astype("float64")), model.predict_proba(rows.astype("float64"))]
"""
TORCH = """
import torch
torch.manual_seed(0)
model = torch.nn.Sequential(torch.nn.Linear(64, 256), torch.nn.ReLU(), torch.nn.Linear(256, 10), torch.nn.Softmax(1)).eval()
example = torch.randn(50, 64)
torch.jit.trace(model, example[:1]).save(folder + "/model.pth")
rows, answers = example.numpy(), [model(example).detach().numpy()]
"""
ONNX = """
import numpy as np, onnx
from onnx import helper, numpy_helper
draw = np.random.default_rng(2)
first, second = (draw.standard_normal((a, b)).astype("float32") / a**0.5 for a, b in ((64, 256), (256, 10)))
graph = helper.make_graph(
    [helper.make_node("MatMul", ["x", "first"], ["a"]), helper.make_node("Relu", ["a"], ["b"]), helper.make_node("MatMul", ["b", "second"], ["y"])],
    "mlp", [helper.make_tensor_value_info("x", 1, ["n", 64])], [helper.make_tensor_value_info("y", 1, ["n", 10])],
    [numpy_helper.from_array(first, "first"), numpy_helper.from_array(second, "second")])
onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), folder + "/model.onnx")
rows = draw.standard_normal((50, 64)).astype("float32")
answers = [np.maximum(rows @ first, 0) @ second]
"""
SAVE = """
import io, sys, tarfile
import numpy as np
np.savez(folder + "/../answers.npz", rows=rows, **{"out_%d" % n: a for n, a in enumerate(answers)})
with tarfile.open(folder + "/../model.tar.gz", "w:gz") as archive:
    archive.add(folder, ".")
"""
PREDICT = """
import sys
import numpy as np, onnxruntime as ort
session = ort.InferenceSession(sys.argv[1] + "/model.onnx")
kept = np.load(sys.argv[1] + "/../answers.npz")
found = session.run(None, {session.get_inputs()[0].name: kept["rows"]})
for n, value in enumerate(found):
    expected = kept["out_%d" % n]
    if expected.dtype.kind == "f":
        np.testing.assert_allclose(value.reshape(expected.shape), expected, rtol=1e-3, atol=float(sys.argv[2]))
    else:
        np.testing.assert_array_equal(value, expected)
print("equal", len(found))
"""


@pytest.fixture(scope="module")
def s3(server: TestServer) -> Any:
    client = server.client("s3")
    client.create_bucket(Bucket=BUCKET)
    return client


@pytest.fixture(scope="module")
def sagemaker(server: TestServer) -> Any:
    return server.client("sagemaker")


def python(tag: str) -> str:
    """The interpreter of the compiler's environment; built if it is not."""
    import os

    catalogue = Catalogue([IMAGES], Path(os.environ["SAGEWRIGHT_ENVIRONMENTS"]))
    image = catalogue.resolve(f"sagewright-neo:{tag}")
    catalogue.ensure(image)
    return str(image.python)


def run(tag: str, code: str, *arguments: str) -> str:
    done = subprocess.run([python(tag), "-W", "ignore", "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def make(s3: Any, tmp_path: Path, tag: str, code: str) -> str:
    """Train with the framework itself, keep its answers, store the archive; its URI."""
    folder = tmp_path / "model"
    folder.mkdir()
    run(tag, f"folder = {str(folder)!r}\n{code}\n{SAVE}")
    key = f"{unique('model')}/model.tar.gz"
    s3.upload_file(str(tmp_path / "model.tar.gz"), BUCKET, key)
    return f"s3://{BUCKET}/{key}"


def compile_(sagemaker: Any, framework: str, uri: str = f"s3://{BUCKET}/none/model.tar.gz", *, inputs: Any = None, target: Any = "ml_c5",
             options: str = "", wait: bool = True, **more: Any) -> dict[str, Any]:  # fmt: skip
    name = unique("compile")
    output = {"S3OutputLocation": f"s3://{BUCKET}/{name}", **({"TargetDevice": target} if isinstance(target, str) else {"TargetPlatform": target})}
    sagemaker.create_compilation_job(
        CompilationJobName=name, RoleArn=ROLE,
        InputConfig={"S3Uri": uri, "Framework": framework, **({"DataInputConfig": json.dumps(inputs)} if inputs else {}), **more},
        OutputConfig={**output, **({"CompilerOptions": options} if options else {})},
        StoppingCondition={"MaxRuntimeInSeconds": 600},
    )
    return ended(sagemaker, name) if wait else sagemaker.describe_compilation_job(CompilationJobName=name)  # type: ignore[no-any-return]


def ended(sagemaker: Any, name: str) -> dict[str, Any]:
    end = time.monotonic() + 120
    while (job := sagemaker.describe_compilation_job(CompilationJobName=name))["CompilationJobStatus"] not in ("COMPLETED", "FAILED", "STOPPED"):
        assert time.monotonic() < end, job
        time.sleep(0.02)  # the API's own way for a plain client: poll
    return job  # type: ignore[no-any-return]


def fetch(s3: Any, job: dict[str, Any], folder: Path) -> bytes:
    bucket, _, key = job["ModelArtifacts"]["S3ModelArtifacts"].removeprefix("s3://").partition("/")
    body: bytes = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body)) as archive:
        archive.extractall(folder, filter="data")
    return body


@pytest.mark.parametrize(("framework", "tag", "code", "more"), [
    ("XGBOOST", "1", XGBOOST, {"target": "rasp4b"}),
    ("SKLEARN", "scikit-learn-1.2", SKLEARN, {"target": {"Os": "LINUX", "Arch": "ARM64"}, "FrameworkVersion": "1.2"}),
    ("PYTORCH", "pytorch-2.13", TORCH, {"inputs": {"pixels": [1, 64]}, "FrameworkVersion": "2.13"}),
])  # fmt: skip
def test_the_compiled_model_predicts_what_the_original_does(
    sagemaker: Any, s3: Any, tmp_path: Path, framework: str, tag: str, code: str, more: dict[str, Any]
) -> None:
    job = compile_(sagemaker, framework, make(s3, tmp_path, tag, code), **more)
    assert (job["CompilationJobStatus"], job["FailureReason"]) == ("COMPLETED", "")
    target = more.get("target", "ml_c5")
    target = target if isinstance(target, str) else "LINUX_ARM64"
    assert job["ModelArtifacts"]["S3ModelArtifacts"].endswith(f"{job['CompilationJobName']}/model-{target}.tar.gz")
    body = fetch(s3, job, tmp_path / "compiled")
    assert job["ModelDigests"]["ArtifactDigest"] == f"sha256:{hashlib.sha256(body).hexdigest()}"
    assert job["InferenceImage"] == "sagewright-neo:1"
    assert "DerivedDataInputConfig" in job["DerivedInformation"]
    assert job["CreationTime"] <= job["CompilationStartTime"] <= job["CompilationEndTime"]
    assert "equal" in run("1", PREDICT, str(tmp_path / "compiled"), "1e-5")


def test_int8_is_smaller_and_close_and_what_was_compiled_compiles_again(sagemaker: Any, s3: Any, tmp_path: Path) -> None:
    uri = make(s3, tmp_path, "1", ONNX)
    plain = compile_(sagemaker, "ONNX", uri, inputs={"x": [1, 64]})
    small = compile_(sagemaker, "ONNX", plain["ModelArtifacts"]["S3ModelArtifacts"], options=json.dumps({"quantization": "int8"}))
    assert [plain["CompilationJobStatus"], small["CompilationJobStatus"]] == ["COMPLETED"] * 2, small["FailureReason"]
    fetch(s3, plain, tmp_path / "plain")
    fetch(s3, small, tmp_path / "small")
    assert (tmp_path / "small/model.onnx").stat().st_size < 0.4 * (tmp_path / "plain/model.onnx").stat().st_size
    assert "equal" in run("1", PREDICT, str(tmp_path / "plain"), "1e-5")
    assert "equal" in run("1", PREDICT, str(tmp_path / "small"), "0.05")


@pytest.mark.parametrize(("framework", "more", "said"), [
    ("ONNX", {"target": "jetson_nano"}, "TargetDevice jetson_nano compiles for a GPU"),
    ("ONNX", {"target": "ml_inf1"}, "TargetDevice ml_inf1 compiles for a vendor's accelerator"),
    ("ONNX", {"target": {"Os": "LINUX", "Arch": "ARM64", "Accelerator": "MALI"}}, "LINUX_ARM64_MALI compiles for a GPU"),
    ("TENSORFLOW", {}, "models of TENSORFLOW are not compiled here"),
    ("SKLEARN", {"FrameworkVersion": "0.23"}, "FrameworkVersion 0.23 of scikit-learn is not built here"),
    ("ONNX", {"options": "{'x"}, "CompilerOptions must be a JSON object"),
    ("ONNX", {"DataInputConfig": "[1, 2"}, "DataInputConfig is not JSON"),
    ("ONNX", {}, "Unable to download object s3://compilation-tests/none/model.tar.gz"),
])  # fmt: skip
def test_what_cannot_be_compiled_fails_with_its_reason(sagemaker: Any, s3: Any, framework: str, more: dict[str, Any], said: str) -> None:
    job = compile_(sagemaker, framework, **more)
    assert job["CompilationJobStatus"] == "FAILED"
    assert job["FailureReason"].startswith("ClientError: ")
    assert said in job["FailureReason"]
    assert job["ModelArtifacts"] == {"S3ModelArtifacts": ""}


def test_an_archive_without_a_model_fails_in_the_compiler(sagemaker: Any, s3: Any) -> None:
    body = io.BytesIO()
    with tarfile.open(fileobj=body, mode="w:gz") as archive:
        archive.addfile(tarfile.TarInfo("readme.txt"))
    key = f"{unique('empty')}/model.tar.gz"
    s3.put_object(Bucket=BUCKET, Key=key, Body=body.getvalue())
    job = compile_(sagemaker, "XGBOOST", f"s3://{BUCKET}/{key}")
    assert job["FailureReason"].startswith("ClientError: InputConfiguration: an XGBoost model must be exactly one file")


def test_list_stop_and_delete(sagemaker: Any, s3: Any) -> None:
    job = compile_(sagemaker, "ONNX", target="ml_p3")
    name = job["CompilationJobName"]
    found = sagemaker.list_compilation_jobs(NameContains=name, StatusEquals="FAILED")["CompilationJobSummaries"]
    assert [(j["CompilationJobName"], j["CompilationTargetDevice"]) for j in found] == [(name, "ml_p3")]
    with pytest.raises(ClientError, match="cannot be stopped"):
        sagemaker.stop_compilation_job(CompilationJobName=name)
    with pytest.raises(ClientError) as caught:
        sagemaker.create_compilation_job(
            CompilationJobName=name, RoleArn=ROLE, InputConfig={"S3Uri": f"s3://{BUCKET}/model.tar.gz", "Framework": "ONNX"},
            OutputConfig={"S3OutputLocation": f"s3://{BUCKET}/x", "TargetDevice": "ml_c5"}, StoppingCondition={},
        )  # fmt: skip
    assert caught.value.response["Error"]["Code"] == "ResourceInUse"
    sagemaker.delete_compilation_job(CompilationJobName=name)
    with pytest.raises(ClientError) as caught:
        sagemaker.describe_compilation_job(CompilationJobName=name)
    assert caught.value.response["Error"]["Code"] == "ResourceNotFound"


@pytest.mark.parametrize(("change", "said"), [
    ({"S3Uri": f"s3://{BUCKET}/model.zip"}, "suffix .tar.gz"),
    ({"device": None}, "exactly one of OutputConfig.TargetDevice"),
])  # fmt: skip
def test_requests_that_mean_nothing_are_refused(sagemaker: Any, s3: Any, change: dict[str, Any], said: str) -> None:
    output = {"S3OutputLocation": f"s3://{BUCKET}/x", "TargetDevice": "ml_c5"}
    if "device" in change:
        del output["TargetDevice"]
    with pytest.raises(ClientError, match=said) as caught:
        sagemaker.create_compilation_job(
            CompilationJobName=unique("refused"), RoleArn=ROLE, StoppingCondition={},
            InputConfig={"S3Uri": change.get("S3Uri", f"s3://{BUCKET}/model.tar.gz"), "Framework": "ONNX"}, OutputConfig=output,
        )  # fmt: skip
    assert caught.value.response["Error"]["Code"] == "ValidationException"


def test_optimization_jobs_are_refused_by_name(sagemaker: Any) -> None:
    with pytest.raises(ClientError, match="ListOptimizationJobs") as caught:
        sagemaker.list_optimization_jobs()
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501
