"""The built-in XGBoost reads its channels by pipe: the model is the one that files give."""

from __future__ import annotations

import io
import json
import random
import textwrap
from typing import Any

import pytest

from sagewright.testing.jobs import XGBOOST, Jobs
from sagewright.testing.server import TestServer
from sagewright_container import recordio

ROWS = 300


@pytest.fixture(scope="module")
def jobs(server: TestServer) -> Jobs:
    return Jobs(server, "xgboost-pipe")


@pytest.fixture(scope="module")
def sets(jobs: Jobs) -> dict[str, tuple[str, str]]:
    """Format → (prefix of two objects, content type): the same rows in each."""
    chance = random.Random(4)
    rows = [[chance.random() for _ in range(5)] for _ in range(ROWS)]
    rows = [[row[0] * 2 + row[3], *row] for row in rows]
    halves = [rows[:ROWS // 2], rows[ROWS // 2:]]
    for number, half in enumerate(halves):
        jobs.put(f"csv/{number}", "".join(",".join(map(repr, row)) + "\n" for row in half))
        records = [recordio.Record({"values": recordio.Tensor(row[1:])}, {"values": recordio.Tensor(row[:1])}) for row in half]
        jobs.put(f"recordio/{number}", recordio.dumps(records))
    jobs.put("rows/rows.json", json.dumps(halves))
    made = jobs.ended(jobs.train(textwrap.dedent("""
        import json, pandas
        for number, half in enumerate(json.load(open('/opt/ml/input/data/train/rows.json'))):
            frame = pandas.DataFrame(half, columns=list('labcde'))
            frame.to_parquet(f'/opt/ml/model/{number}.parquet', row_group_size=40)
    """), image=XGBOOST, data=f"s3://{jobs.bucket}/rows/", OutputDataConfig={"S3OutputPath": f"s3://{jobs.bucket}/made", "CompressionType": "NONE"}), 300)
    assert made["TrainingJobStatus"] == "Completed", made.get("FailureReason")
    return {
        "csv": (f"s3://{jobs.bucket}/csv/", "text/csv"),
        "recordio": (f"s3://{jobs.bucket}/recordio/", "application/x-recordio-protobuf"),
        "parquet": (made["ModelArtifacts"]["S3ModelArtifacts"], "application/x-parquet"),
    }


def model(jobs: Jobs, uri: str, kind: str, **more: Any) -> bytes:
    channel = jobs.channel("train", uri) | {"ContentType": kind, **more}
    job = jobs.ended(jobs.train(
        image=XGBOOST, HyperParameters={"num_round": "5", "objective": "reg:squarederror", "max_depth": "3", "seed": "1"},
        InputDataConfig=[channel]), 300)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    return jobs.members(job["ModelArtifacts"]["S3ModelArtifacts"])["xgboost-model"]


@pytest.mark.parametrize("form", ["csv", "recordio", "parquet"])
def test_a_pipe_gives_the_model_that_files_give(jobs: Jobs, sets: dict[str, tuple[str, str]], form: str) -> None:
    uri, kind = sets[form]
    files = model(jobs, uri, kind)
    assert model(jobs, uri, kind, InputMode="Pipe") == files
    assert model(jobs, uri, kind, InputMode="Pipe", RecordWrapperType="RecordIO") == files
    assert model(jobs, uri, kind, InputMode="FastFile") == files


def test_libsvm_by_pipe_is_refused(jobs: Jobs) -> None:
    jobs.put("libsvm/0", "1 0:1\n0 1:1\n")
    channel = jobs.channel("train", f"s3://{jobs.bucket}/libsvm/") | {"ContentType": "text/libsvm", "InputMode": "Pipe"}
    job = jobs.ended(jobs.train(image=XGBOOST, HyperParameters={"num_round": "2"}, InputDataConfig=[channel]), 300)
    assert job["TrainingJobStatus"] == "Failed"
    assert "libsvm data cannot come in Pipe mode" in job["FailureReason"]


def test_a_pipe_with_something_else_in_it(jobs: Jobs) -> None:
    jobs.put("junk/0", io.BytesIO(b"certainly not parquet" * 20).getvalue())
    channel = jobs.channel("train", f"s3://{jobs.bucket}/junk/") | {"ContentType": "application/x-parquet", "InputMode": "Pipe"}
    job = jobs.ended(jobs.train(image=XGBOOST, HyperParameters={"num_round": "2"}, InputDataConfig=[channel]), 300)
    assert job["FailureReason"].startswith("ClientError: ")
    assert "no parquet file at byte 0" in job["FailureReason"]
