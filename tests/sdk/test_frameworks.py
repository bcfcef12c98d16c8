"""The framework examples as a user runs them: the SDKs, unmodified, against a real server."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest

from sagewright.testing.backends import agree
from sagewright.testing.jobs import Jobs
from sagewright.testing.sdk import run
from sagewright.testing.server import TestServer

EXAMPLES = Path(__file__).parents[2] / "examples"
pytestmark = [pytest.mark.xdist_group("frameworks"), pytest.mark.timeout(600)]


def artifact(server: TestServer, uri: str, member: str) -> bytes:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    body = server.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body)) as tar:
        file = tar.extractfile(member)
        assert file is not None
        return file.read()


@pytest.mark.parametrize("sdk", ["v2", "v3"])
def test_scikit_learn_with_requirements(server: TestServer, tmp_path_factory: pytest.TempPathFactory, sdk: str) -> None:
    result = run(server, sdk, EXAMPLES / f"sklearn_script/{sdk}.py", timeout=580)
    agree(tmp_path_factory, "sklearn", server, sdk, result)
    assert result["metrics"]["validation:accuracy"] > 0.9
    assert sum(a == b for a, b in zip(result["truth"], result["predicted"], strict=True)) >= 4


@pytest.mark.parametrize("sdk", ["v2", "v3"])
def test_pytorch_on_two_hosts_trains_one_model(server: TestServer, tmp_path_factory: pytest.TempPathFactory, sdk: str) -> None:
    """ModelTrainer of v3 brings its own torchrun driver. The same data, seeds and hosts: the same model."""
    result = run(server, sdk, EXAMPLES / f"pytorch_ddp/{sdk}.py", timeout=580)
    report = json.loads(artifact(server, result["model"], "report.json"))
    agree(tmp_path_factory, "ddp", server, sdk, report)
    assert (report["processes"], report["same_weights"]) == (2, True)
    assert result["metrics"]["accuracy"] == pytest.approx(report["accuracy"], abs=1e-4)
    assert report["accuracy"] > 0.9
    assert "on algo-2: accuracy" in Jobs(server, "logs-of-frameworks").log(result["job"]), "every host has a log"


@pytest.mark.parametrize("sdk", ["v2", "v3"])
def test_mpi_on_three_hosts(server: TestServer, tmp_path_factory: pytest.TempPathFactory, sdk: str) -> None:
    """ModelTrainer of v3 brings its own driver, which expects an SSH daemon, keys and paramiko; our images have none."""
    result = run(server, sdk, EXAMPLES / f"mpi/{sdk}.py", timeout=580)
    model = json.loads(artifact(server, result["model"], "model.json"))
    agree(tmp_path_factory, "mpi", server, sdk, model["weights"], within=1e-9)
    assert model["hosts"] == ["algo-1", "algo-2", "algo-3"]
    assert model["rows"] == 120_000
    assert model["weights"] == pytest.approx(list(range(1, 9)), abs=0.02)
    assert result["metrics"]["error"] == pytest.approx(model["error"], abs=1e-4)


def test_tensorflow_on_two_hosts(server: TestServer) -> None:
    result = run(server, "v2", EXAMPLES / "tensorflow/v2.py", timeout=580)
    assert result["image"].endswith("/tensorflow-training:2.19-cpu-py312")
    report = json.loads(artifact(server, result["model"], "report.json"))
    assert (report["replicas"], report["version"]) == (2, "2.19.0")
    assert report["weights"] == pytest.approx([1, -2, 0.5], abs=0.01)


@pytest.mark.parametrize("sdk", ["v2", "v3"])
def test_hugging_face_fine_tune(server: TestServer, tmp_path_factory: pytest.TempPathFactory, sdk: str) -> None:
    result = run(server, sdk, EXAMPLES / f"huggingface/{sdk}.py", timeout=580)
    agree(tmp_path_factory, "huggingface", server, sdk, result["metrics"]["eval:accuracy"], within=0.05)
    assert result["metrics"]["eval:accuracy"] > 0.95
    assert json.loads(artifact(server, result["model"], "config.json"))["architectures"] == ["BertForSequenceClassification"]
