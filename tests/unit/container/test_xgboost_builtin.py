"""The built-in algorithm: it equals open XGBoost, reads every format, and refuses what it cannot do."""

from __future__ import annotations

import json
import signal
import subprocess
import time

import numpy as np
import pytest

from sagewright_container import recordio
from sagewright_container.recordio import Record, Tensor

RELEASES = ["sagemaker-xgboost:1.7-1", "sagemaker-xgboost:3.0-5"]
REFERENCE = """
import sys, json, numpy as np, xgboost as xgb
train, held_out, parameters, rounds = sys.argv[1], sys.argv[2], json.loads(sys.argv[3]), int(sys.argv[4])
load = lambda path: np.loadtxt(path, delimiter=",", dtype=np.float32, ndmin=2)
t, h = load(train), load(held_out)
booster = xgb.train(parameters, xgb.DMatrix(t[:, 1:], label=t[:, 0]), rounds)
print(json.dumps(booster.predict(xgb.DMatrix(h[:, 1:])).tolist()))
"""


def table(seed: int, rows: int, kind: str = "regression") -> np.ndarray:
    random = np.random.RandomState(seed)
    features = random.rand(rows, 5).round(4)
    score = features @ [1, 2, 3, 4, 5] + 0.1 * random.rand(rows)
    label = {"regression": score, "binary": score > 7.5, "multi": np.digitize(score, [6.5, 8.5])}[kind]
    return np.column_stack([label, features]).round(4)


def as_csv(rows: np.ndarray) -> str:
    return "".join(",".join(repr(float(cell)) for cell in row) + "\n" for row in rows)


def as_libsvm(rows: np.ndarray) -> str:
    lines = (" ".join([repr(float(row[0])), *(f"{i}:{float(v)!r}" for i, v in enumerate(row[1:]))]) for row in rows)
    return "\n".join(lines) + "\n"


def as_recordio(rows: np.ndarray) -> bytes:
    return recordio.dumps(
        Record({"values": Tensor([float(v) for v in row[1:]])}, {"values": Tensor([float(row[0])])}) for row in rows
    )


@pytest.mark.parametrize("uri", RELEASES)
@pytest.mark.parametrize(
    ("kind", "parameters"),
    [
        ("regression", {"objective": "reg:squarederror", "max_depth": "4", "eta": "0.2", "subsample": "0.8", "seed": "7"}),
        ("binary", {"objective": "binary:logistic", "gamma": "0.5", "lambda": "2", "tree_method": "hist"}),
        ("multi", {"objective": "multi:softprob", "num_class": "3", "booster": "dart", "rate_drop": "0.1", "seed": "1"}),
    ],
)
def test_model_and_endpoint_equal_open_xgboost(make, serving, uri, kind, parameters):
    container = make(uri)
    train, held_out = table(0, 300, kind), table(1, 40, kind)
    file = container.put("input/data/train/part.csv", as_csv(train))
    other = container.put("held-out.csv", as_csv(held_out))
    container.configure({"num_round": "12", **parameters}, {"train": "text/csv"})
    done = container.train()
    assert done.returncode == 0, done.stderr
    expected = np.array(json.loads(container.python(REFERENCE, str(file), str(other), json.dumps(parameters), "12")))
    client = serving(container)
    body = as_csv(held_out[:, 1:])
    answer = client.post("/invocations", content=body, headers={"Content-Type": "text/csv", "Accept": "application/json"})
    scores = np.array([row["score"] for row in answer.json()["predictions"]])
    assert np.abs(scores - expected).max() <= 1e-6
    text = client.post("/invocations", content=body, headers={"Content-Type": "text/csv"})
    assert text.headers["content-type"] == "text/csv"
    assert np.abs(np.array(json.loads(f"[{text.text}]")) - expected).max() <= 1e-6


@pytest.mark.parametrize("uri", RELEASES)
def test_requests_that_come_together_are_answered_as_if_alone(make, serving, together, uri):
    container = make(uri)
    container.put("input/data/train/part.csv", as_csv(table(0, 300, "multi")))
    container.configure({"num_round": "5", "objective": "multi:softprob", "num_class": "3"}, {"train": "text/csv"})
    assert container.train().returncode == 0
    client = serving(container)
    rows = as_csv(table(1, 30, "multi")[:, 1:]).splitlines()
    bodies = [*rows, "\n".join(rows[:3]), "1,2,3", "1,x,3,4,5", "", "1\t2\t3\t4\t5", ",1,2,3,4", " 1, 2,3,4,5 \r\n", rows[0]]
    alone = [client.post("/invocations", content=body, headers={"Content-Type": "text/csv"}) for body in bodies]

    for body, one, other in zip(bodies, alone, together("text/csv", bodies), strict=True):
        assert (one.status_code, one.content) == (other.status, other.body), body
    assert {one.status_code for one in alone} == {200, 204, 400, 415}


@pytest.mark.parametrize("uri", RELEASES)
def test_every_format_gives_the_same_model(make, uri):
    container = make(uri)
    rows = table(0, 200)
    container.put("rows.csv", as_csv(rows))
    parquet = container.ml / "rows.parquet"
    container.python(
        "import sys, pandas; pandas.read_csv(sys.argv[1], header=None).rename(columns=str).to_parquet(sys.argv[2])",
        str(container.ml / "rows.csv"), str(parquet),
    )  # fmt: skip
    formats = {
        "text/csv": as_csv(rows), "CSV;label_size=1;charset=utf8": as_csv(rows), "text/libsvm": as_libsvm(rows), "application/x-parquet": parquet.read_bytes(),
        "application/x-recordio-protobuf": as_recordio(rows),
    }  # fmt: skip
    seen = {}
    for content_type, content in formats.items():
        container.put("input/data/train/part", content)
        container.configure({"num_round": "6"}, {"train": content_type})
        done = container.train()
        assert done.returncode == 0, done.stderr
        seen[content_type] = [line for line in done.stdout.splitlines() if line.startswith("[")]
        assert len(seen[content_type]) == 6
    assert len({tuple(lines) for lines in seen.values()}) == 1


@pytest.mark.parametrize("uri", RELEASES)
def test_metric_lines_custom_metrics_and_early_stopping(make, uri):
    container = make(uri)
    train, held_out = table(0, 200, "binary"), table(1, 60, "binary")
    held_out[:, 0] = np.random.RandomState(3).randint(0, 2, 60)  # nothing to learn: it must stop early
    container.put("input/data/train/a.csv", as_csv(train))
    container.put("input/data/validation/a.csv", as_csv(held_out))
    hyperparameters = {
        "num_round": "60", "objective": "binary:logistic", "eval_metric": "logloss,accuracy,f1,balanced_accuracy",
        "early_stopping_rounds": "4",
    }  # fmt: skip
    container.configure(hyperparameters, {"train": "text/csv", "validation": "text/csv"})
    done = container.train()
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("[")]
    assert 5 <= len(lines) < 60, lines
    names = [part.split(":")[0] for part in lines[0].split("\t")[1:]]
    assert {f"{data}-{metric}" for data in ("train", "validation") for metric in (
        "logloss", "accuracy", "f1", "balanced_accuracy")} == set(names)  # fmt: skip


def test_weights_change_the_model(make):
    container = make(RELEASES[0])
    rows = table(0, 100)
    weights = np.random.RandomState(2).rand(100).round(3)
    container.put("input/data/train/a.csv", as_csv(np.insert(rows, 1, weights, axis=1)))
    container.configure({"num_round": "3", "csv_weights": "1"}, {"train": "text/csv"})
    assert "100 rows and 5 columns" in container.train().stdout
    container.configure({"num_round": "3"}, {"train": "text/csv"})
    assert "100 rows and 6 columns" in container.train().stdout


@pytest.mark.parametrize("uri", RELEASES)
def test_checkpoints_resume(make, uri):
    container = make(uri)
    folder = container.ml / "checkpoints"
    container.put("input/data/train/a.csv", as_csv(table(0, 100)))
    checkpoint = {"LocalPath": str(folder), "S3Uri": "s3://b/c"}
    container.configure({"num_round": "8"}, {"train": "text/csv"}, checkpointconfig=checkpoint)
    first = container.train()
    assert sorted(path.name for path in folder.iterdir()) == [f"xgboost-checkpoint.{n}" for n in range(3, 8)]
    whole = [line for line in first.stdout.splitlines() if line.startswith("[")]
    for n in range(5, 8):
        (folder / f"xgboost-checkpoint.{n}").unlink()
    resumed = [line for line in container.train().stdout.splitlines() if line.startswith("[")]
    assert [line.split("\t")[1] for line in resumed] == [line.split("\t")[1] for line in whole[5:]]


@pytest.mark.parametrize("uri", RELEASES)
def test_sigterm_saves_the_model_when_asked(make, uri):
    container = make(uri)
    container.put("input/data/train/a.csv", as_csv(table(0, 200)))
    container.configure({"num_round": "1000000", "save_model_on_termination": "true"}, {"train": "text/csv"})
    process = subprocess.Popen(
        container.argv("train"), env=container.environ(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("[20]"):
            process.send_signal(signal.SIGTERM)
            break
    process.stdout.read()
    assert process.wait(60) == 0
    assert (container.ml / "model" / "xgboost-model").stat().st_size


@pytest.mark.parametrize("uri", RELEASES)
def test_cross_validation(make, serving, uri):
    container = make(uri)
    container.put("input/data/train/a.csv", as_csv(table(0, 120, "binary")))
    hyperparameters = {"num_round": "5", "objective": "binary:logistic", "_kfold": "3", "_num_cv_round": "2"}
    container.configure(hyperparameters, {"train": "text/csv"})
    done = container.train()
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (container.ml / "model").iterdir()) == [f"xgboost-model-{n}" for n in range(6)]
    assert done.stdout.splitlines()[-1].startswith("[5]\ttrain-logloss:")
    assert len((container.ml / "output" / "data" / "predictions.csv").read_text().splitlines()) == 240
    answer = serving(container).post("/invocations", content="1,1,1,1,1", headers={"Content-Type": "text/csv"})
    assert 0.5 < float(answer.text) < 1


@pytest.mark.parametrize(
    ("hyperparameters", "channel", "content", "words"),
    [
        ({}, "text/csv", "1,2\n", "Missing required hyperparameter: num_round"),
        ({"num_round": "1", "etaa": "1"}, "text/csv", "1,2\n", "Extraneous hyperparameter found: etaa"),
        ({"num_round": "0"}, "text/csv", "1,2\n", "num_round: 0 is not in [1, +inf)"),
        ({"num_round": "1", "objective": "multi:softmax"}, "text/csv", "1,2\n", "num_class: required"),
        ({"num_round": "1"}, "text/csv", "", "No data in the channel train"),
        ({"num_round": "1"}, None, "1,2,3\n", "is not libsvm data"),
        ({"num_round": "1"}, "text/csv", "a,b\n1,2\n", "only numbers"),
        ({"num_round": "1"}, "image/png", "1,2\n", "Content type image/png is not supported"),
        ({"num_round": "1"}, "text/csv; label_size=0", "1,2\n", "Optional parameter label_size must be equal to 1"),
        ({"num_round": "1", "objective": "binary:logistic"}, "text/csv", "5,2\n4,1\n", "XGBoost could not train"),
        ({"num_round": "1"}, "application/x-recordio-protobuf", "junk junk junk", "no RecordIO frame"),
        ({"num_round": "1"}, "application/x-parquet", "junk", "Failed to read"),
    ],
)
def test_customers_errors(make, hyperparameters, channel, content, words):
    container = make(RELEASES[0])
    container.put("input/data/train/a", content)
    container.configure(hyperparameters, {"train": channel})
    done = container.train()
    assert done.returncode == 1
    assert container.failure.startswith("ClientError: ")
    assert words in container.failure
    assert container.failure in done.stderr
    assert len(container.failure) < 1024


def test_missing_channel(make):
    container = make(RELEASES[0])
    container.configure({"num_round": "1"}, {"validation": "text/csv"})
    assert container.train().returncode == 1
    assert container.failure == "ClientError: Missing required channel: train"


@pytest.fixture
def binary(make):
    container = make(RELEASES[1])
    container.put("input/data/train/a.csv", as_csv(table(0, 100, "binary")))
    container.configure({"num_round": "5", "objective": "binary:logistic"}, {"train": "text/csv"})
    assert container.train().returncode == 0
    return container


ROWS = "1,1,1,1,1\n0,0,0,0,0\n"


def test_response_formats(binary, serving):
    client = serving(binary)

    def ask(accept: str) -> bytes:
        return client.post("/invocations", content=ROWS, headers={"Content-Type": "text/csv", "Accept": accept}).content

    high, low = (float(word) for word in ask("*/*").split(b","))
    assert high > 0.5 > low
    assert [json.loads(line)["score"] for line in ask("application/jsonlines").splitlines()] == [high, low]
    records = list(recordio.loads(ask("application/x-recordio-protobuf")))
    assert [record.label["score"].values[0] for record in records] == pytest.approx([high, low])
    libsvm = client.post("/invocations", content="0:1 1:1 2:1 3:1 4:1", headers={"Content-Type": "text/libsvm"})
    assert float(libsvm.text) == high
    body = as_recordio(np.array([[0, 1, 1, 1, 1, 1]]))
    sent = client.post("/invocations", content=body, headers={"Content-Type": "application/x-recordio-protobuf"})
    assert float(sent.text) == high


def test_batch_transform_gets_a_line_each(binary, serving):
    client = serving(binary, SAGEMAKER_BATCH="true")
    answer = client.post("/invocations", content=ROWS, headers={"Content-Type": "text/csv"})
    assert answer.text.count("\n") == 2
    assert answer.text.endswith("\n")
    assert client.get("/execution-parameters").json()["BatchStrategy"] == "MULTI_RECORD"


def test_selectable_content(binary, serving):
    client = serving(binary, SAGEMAKER_INFERENCE_OUTPUT="predicted_label,labels,probability,probabilities,predicted_score")
    headers = {"Content-Type": "text/csv", "Accept": "application/json"}
    first, second = client.post("/invocations", content=ROWS, headers=headers).json()["predictions"]
    assert (first["predicted_label"], second["predicted_label"]) == (1, 0)
    assert first["labels"] == [0, 1]
    assert first["probabilities"] == [pytest.approx(1 - first["probability"]), first["probability"]]
    assert np.isnan(first["predicted_score"])
    line = client.post("/invocations", content=ROWS, headers={"Content-Type": "text/csv"}).text.splitlines()[0]
    assert line.startswith('1,"[0, 1]",')


@pytest.mark.parametrize(
    ("headers", "body", "status", "words"),
    [
        ({"Content-Type": "text/csv"}, "1,2", 400, "Feature size of csv inference data 2"),
        ({"Content-Type": "text/csv"}, "a,b,c,d,e", 415, "Loading payload failed"),
        ({"Content-Type": "image/png"}, "x", 415, "image/png is not supported"),
        ({"Content-Type": "text/csv", "Accept": "image/png"}, "1,1,1,1,1", 406, "Accept type image/png"),
        ({"Content-Type": "text/csv"}, "", 204, ""),
    ],
)
def test_bad_requests(binary, serving, headers, body, status, words):
    answer = serving(binary).post("/invocations", content=body, headers=headers)
    assert answer.status_code == status
    assert words in answer.text


def test_health_answers_while_the_model_works(binary, serving):
    """A long prediction must not look like a dead worker."""
    import concurrent.futures

    client = serving(binary)
    body = "1,1,1,1,1\n" * 200_000
    with concurrent.futures.ThreadPoolExecutor() as pool:
        long = pool.submit(client.post, "/invocations", content=body, headers={"Content-Type": "text/csv"})
        slowest = 0.0
        while not long.done():
            began = time.monotonic()
            assert client.get("/ping").status_code == 200
            slowest = max(slowest, time.monotonic() - began)
        assert long.result().status_code == 200
    assert slowest < 2
