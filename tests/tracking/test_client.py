"""MLflow's own client with the sagemaker-mlflow plugin: everything by ARN, each call signed and authorised."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError

from .conftest import Lab

pytestmark = pytest.mark.xdist_group("mlflow")
SEARCH = "/api/2.0/mlflow/experiments/search?max_results=5"


def test_tracking(lab: Lab) -> None:
    said = lab.run("track.py", "tracking")
    assert said["found"] == [said["run"]]
    assert said["params"] == {"depth": "6", "name": "a b+c/ü"}
    assert said["tags"] == {"team": "x & y"}
    assert said["status"] == "FINISHED"
    assert said["loss"] == [1 / (n + 1) for n in range(20)]
    assert said["artifacts"] == ["conf", "notes"]
    assert said["note"] == "hello"
    assert said["artifact_uri"] == f"s3://{lab.bucket}/mlflow/{said['experiment']}/{said['run']}/artifacts"
    key = f"mlflow/{said['experiment']}/{said['run']}/artifacts/notes/note.txt"
    assert lab.s3.get_object(Bucket=lab.bucket, Key=key)["Body"].read() == b"hello"


def test_artifacts_through_the_server(lab: Lab) -> None:
    """A plain client with the server's address and a session's token, and no way to S3."""
    token = httpx.post(lab.url()).json()["token"]
    said = lab.run(
        "proxied.py", "proxied", AWS_ENDPOINT_URL="http://127.0.0.1:9", AWS_ACCESS_KEY_ID="none", MLFLOW_TRACKING_TOKEN=token,
        MLFLOW_TRACKING_URI=lab.about()["TrackingServerUrl"],
    )
    assert said["uri"].startswith("mlflow-artifacts:/proxied/")
    assert said["same"] is True
    assert said["listed"] == ["big.bin", "small.txt"]
    assert lab.s3.list_objects_v2(Bucket=lab.bucket, Prefix="mlflow/proxied/")["KeyCount"] == 2


def user(lab: Lab, name: str, *statements: dict[str, Any]) -> dict[str, str]:
    """The keys of a new user with a policy of those statements, as a client's variables."""
    iam = lab.server.client("iam")
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": list(statements)}))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"], "AWS_SESSION_TOKEN": ""}


def test_each_call_needs_its_action(lab: Lab) -> None:
    reader = user(lab, "reader", {"Effect": "Allow", "Action": "sagemaker-mlflow:Search*", "Resource": lab.arn})
    assert lab.signed("GET", SEARCH, keys=reader).status_code == 200
    denied = lab.run("one_call.py", "create", "not-by-me", **reader)
    assert denied["error"] == "PERMISSION_DENIED"
    assert "sagemaker-mlflow:CreateExperiment" in denied["message"]
    elsewhere = user(lab, "elsewhere", {"Effect": "Allow", "Action": "sagemaker-mlflow:*", "Resource": lab.arn + "2"})
    assert lab.signed("GET", SEARCH, keys=elsewhere).status_code == 403
    assert lab.signed("POST", "/api/2.0/mlflow/runs/create", {"experiment_id": "0"}, keys=reader).json()["error_code"] == "PERMISSION_DENIED"
    with pytest.raises(ClientError, match=r"AccessUI|CreatePresigned"):
        lab.server.client(
            "sagemaker", aws_access_key_id=reader["AWS_ACCESS_KEY_ID"], aws_secret_access_key=reader["AWS_SECRET_ACCESS_KEY"]
        ).create_presigned_mlflow_tracking_server_url(TrackingServerName="lab")


def test_only_signed_requests_get_in(lab: Lab) -> None:
    good = lab.signed("GET", SEARCH)
    assert good.status_code == 200
    sent, url = dict(good.request.headers), lab.server.url + SEARCH
    named = {"x-mlflow-sm-tracking-server-arn": lab.arn}
    wrong = {"AWS_ACCESS_KEY_ID": lab.server.credentials()["access_key"], "AWS_SECRET_ACCESS_KEY": "x" * 40}
    for answer in (
        httpx.get(url, headers=named), httpx.get(url, headers=named | {"authorization": "Bearer x"}),
        httpx.get(url, headers=named | {"authorization": "Basic eDp5"}), lab.signed("GET", SEARCH, keys=wrong),
        lab.signed("GET", SEARCH, service="s3"), httpx.get(url, headers=sent | {"x-mlflow-sm-tracking-server-arn": lab.arn + "2"}),
        httpx.get(url, headers={k: v for k, v in sent.items() if k != "x-amz-date"}),
    ):
        assert answer.status_code in (400, 403), answer.text
        assert "experiments" not in answer.text
        assert answer.json()["error_code"]
    # without the header it is an address of S3
    assert httpx.get(url).status_code == 403


def test_a_server_that_does_not_exist_looks_like_one_that_is_forbidden(lab: Lab) -> None:
    answer = lab.signed("GET", SEARCH, arn=lab.arn.replace("/lab", "/none"))
    assert (answer.status_code, answer.json()["error_code"]) == (403, "PERMISSION_DENIED")


def test_a_body_that_was_changed_is_not_carried_out(lab: Lab) -> None:
    path = "/api/2.0/mlflow/experiments/create"
    changed = lab.signed("POST", path, {"name": "signed"}, tamper=b'{"name": "forged"}')
    assert changed.status_code == 400, changed.text
    assert not {"signed", "forged"} & set(lab.experiments())
    assert lab.signed("POST", path, {"name": "signed"}).status_code == 200
    assert "signed" in lab.experiments()


def test_no_experiment_leads_into_the_server(lab: Lab) -> None:
    answer = lab.signed("POST", "/api/2.0/mlflow/experiments/create", {"name": "f", "artifact_location": "file:///opt/ml/store"})
    assert (answer.status_code, answer.json()["error_code"]) == (403, "PERMISSION_DENIED")
    for hidden in ("/ajax-api/2.0/mlflow/gateway-proxy", "/ajax-api/3.0/mlflow/assistant/config", "/api/2.0/mlflow/webhooks"):
        assert lab.signed("GET", hidden).status_code == 404


def test_uploads_by_presigned_urls(lab: Lab) -> None:
    """What the plugin does with SAGEMAKER_PRESIGNED_URL_UPLOAD_ENABLED: the server signs, the client needs no key of S3's."""
    run = lab.signed("POST", "/api/2.0/mlflow/runs/create", {"experiment_id": lab.make("presigned")}).json()["run"]["info"]
    made = lab.signed("POST", "/api/2.0/mlflow/artifacts/presigned-upload-url", {"run_id": run["run_id"], "path": "deep/a.txt", "expiration": 60})
    assert made.status_code == 200, made.text
    said = made.json()
    assert said["presigned_url"].startswith(lab.server.url)
    assert httpx.put(said["presigned_url"], content=b"by url", headers=said.get("headers", {})).status_code == 200
    bucket, _, key = run["artifact_uri"].removeprefix("s3://").partition("/")
    assert lab.s3.get_object(Bucket=bucket, Key=f"{key}/deep/a.txt")["Body"].read() == b"by url"
