"""ONNX models served as they are, by the image that needs no script."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from botocore.exceptions import ClientError

from sagewright.testing.models import Models
from sagewright.testing.onnx import linear
from sagewright_container import recordio

IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/sagewright-onnx:1"
BUILD = 300.0
"""Seconds that a fresh clone may take to build the image's environment."""
ROWS = [[1.0, 2.0], [3.0, 4.0]]
SCORES = [[9.0], [19.0]]
"""By the weights 2 and 3 and the bias 1."""


def deployed(models: Models, model: bytes, name: str = "model.onnx", **files: str) -> str:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for path, data in {name: model, **{k: v.encode() for k, v in files.items()}}.items():
            info = tarfile.TarInfo(path)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    made = models.name("onnx")
    url = models.put(f"{made}/model.tar.gz", out.getvalue())
    models.sagemaker.create_model(ModelName=made, ExecutionRoleArn=models.role, PrimaryContainer={
        "Image": IMAGE, "ModelDataUrl": url, "Environment": {"SAGEMAKER_MODEL_SERVER_WORKERS": "1"}})
    return models.endpoint(models.config(made))


@pytest.fixture(scope="module")
def endpoint(models: Models) -> Iterator[str]:
    name = deployed(models, linear([2.0, 3.0], 1.0))
    about = models.settled(name, BUILD)
    assert about["EndpointStatus"] == "InService", about.get("FailureReason")
    yield name
    models.delete(name)


def npy(rows: object) -> bytes:
    out = io.BytesIO()
    np.save(out, np.asarray(rows))
    return out.getvalue()


def records(*, sparse: bool) -> bytes:
    if sparse:
        tensors = [recordio.Tensor([row[1]], [1], [2]) for row in ROWS]
    else:
        tensors = [recordio.Tensor(row) for row in ROWS]
    return recordio.dumps(recordio.Record({"values": tensor}) for tensor in tensors)


@pytest.mark.parametrize(("kind", "body"), [
    ("text/csv", b"1,2\n3,4\n"),
    ("application/json", json.dumps(ROWS).encode()),
    ("application/json", json.dumps({"instances": ROWS}).encode()),
    ("application/json", json.dumps({"x": ROWS}).encode()),
    ("application/jsonlines", b"[1,2]\n[3,4]\n"),
    ("application/x-npy", npy(ROWS)),
    ("application/x-recordio-protobuf", records(sparse=False)),
])
def test_what_comes_in(models: Models, endpoint: str, kind: str, body: bytes) -> None:
    answer = models.invoke(endpoint, body, ContentType=kind, Accept="application/json")
    assert json.loads(answer["Body"]) == SCORES


def test_sparse_records(models: Models, endpoint: str) -> None:
    answer = models.invoke(endpoint, records(sparse=True), ContentType="application/x-recordio-protobuf", Accept="application/json")
    assert json.loads(answer["Body"]) == [[7.0], [13.0]]


def test_what_goes_out(models: Models, endpoint: str) -> None:
    def ask(kind: str) -> bytes:
        answer = models.invoke(endpoint, b"1,2\n3,4\n", ContentType="text/csv", Accept=kind)
        assert answer["ContentType"] == kind
        return bytes(answer["Body"])

    assert ask("text/csv") == b"9.0\n19.0\n"
    assert ask("application/jsonlines") == b"[9.0]\n[19.0]\n"
    found = np.load(io.BytesIO(ask("application/x-npy")))
    assert found.tolist() == SCORES
    assert found.dtype == np.float32


@pytest.mark.parametrize(("kind", "body", "status", "text"), [
    ("text/csv", b"1,2,3\n", 400, "the model takes [-1, 2]"),
    ("text/csv", b"a,b\n", 400, "could not convert"),
    ("application/json", b'{"y": [[1, 2]]}', 400, "the model's inputs are x"),
    ("image/png", b"x", 415, "is not supported"),
    ("application/x-recordio-protobuf", b"xxxxxxxxxxxx", 400, "no RecordIO frame"),
])
def test_what_does_not_fit_is_the_callers_error(models: Models, endpoint: str, kind: str, body: bytes, status: int, text: str) -> None:
    with pytest.raises(ClientError) as caught:
        models.invoke(endpoint, body, ContentType=kind)
    assert caught.value.response["OriginalStatusCode"] == status
    assert text in caught.value.response["OriginalMessage"]


def test_requests_that_share_a_run_get_their_own_rows(models: Models, endpoint: str) -> None:
    """Of different lengths and formats, some of them wrong, all at once."""

    def ask(number: int) -> object:
        rows = [[float(number), float(n)] for n in range(number % 5 + 1)]
        try:
            if number % 7 == 3:
                models.invoke(endpoint, b"1,2,3\n", ContentType="text/csv")
            body = json.dumps(rows).encode() if number % 2 else npy(rows)
            kind = "application/json" if number % 2 else "application/x-npy"
            found = json.loads(models.invoke(endpoint, body, ContentType=kind, Accept="application/json")["Body"])
        except ClientError as error:
            return error.response["OriginalStatusCode"]
        return found == [[2.0 * a + 3.0 * b + 1.0] for a, b in rows]

    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(ask, range(200))) == [400 if n % 7 == 3 else True for n in range(200)]


def test_several_inputs_and_outputs(models: Models, endpoint: str) -> None:
    """As converters make them of tables and of classifiers."""
    name = deployed(models, linear([2.0, -3.0], 0.0, columns=True, labels=True), "deep/net.onnx")
    models.settled(name, BUILD)
    expected = {"label": [[0], [1]], "score": [[-4.0], [7.0]]}
    for body in (b'{"c0": [1, 5], "c1": [2, 1]}', b'[{"c0": 1, "c1": 2}, {"c0": 5, "c1": 1}]', b"[[1, 2], [5, 1]]"):
        assert json.loads(models.invoke(name, body, ContentType="application/json")["Body"]) == expected
    assert models.invoke(name, b"1,2\n5,1\n", ContentType="text/csv", Accept="text/csv")["Body"] == b"-4.0\n7.0\n"
    models.delete(name)


def test_a_script_of_ones_own(models: Models, endpoint: str) -> None:
    code = """
import onnxruntime

def model_fn(folder):
    return onnxruntime.InferenceSession(folder + "/model.onnx")

def predict_fn(rows, session):
    return session.run(None, {"x": rows.astype("float32")})[0] * 10
"""
    name = deployed(models, linear([2.0, 3.0], 1.0), **{"code/inference.py": code})
    models.settled(name, BUILD)
    assert models.invoke(name, b"1,2\n", ContentType="text/csv", Accept="text/csv")["Body"] == b"90.0\n"
    models.delete(name)


def test_an_archive_without_a_model_says_so(models: Models, endpoint: str) -> None:
    name = deployed(models, b"", "model.bin")
    about = models.settled(name, BUILD)
    assert about["EndpointStatus"] == "Failed"
    assert "put a model.onnx into the model's archive" in about["FailureReason"]
    models.delete(name)
