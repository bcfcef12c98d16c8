"""What reaches MLflow, and by which action. What nobody named does not."""

from __future__ import annotations

import json

import pytest

from sagewright.slices.mlflow.access import ACCESS_UI, action, check_body, decoded, is_artifact, shows_a_file
from sagewright.slices.mlflow.register import group_name
from sagewright.wire.errors import AccessDenied, Invalid, NotFound


@pytest.mark.parametrize(("method", "path", "expected"), [
    ("POST", "/api/2.0/mlflow/runs/create", "sagemaker-mlflow:CreateRun"),
    ("POST", "/ajax-api/2.0/mlflow/runs/search", "sagemaker-mlflow:SearchRuns"),
    ("POST", "/api/2.0/mlflow/runs/log-parameter", "sagemaker-mlflow:LogParam"),
    ("GET", "/api/2.0/mlflow/registered-models/get-latest-versions", "sagemaker-mlflow:GetLatestModelVersions"),
    ("PATCH", "/api/2.0/mlflow/logged-models/m-12/tags", "sagemaker-mlflow:SetLoggedModelTags"),
    ("GET", "/api/2.0/mlflow/logged-models/m-12", "sagemaker-mlflow:GetLoggedModel"),
    ("POST", "/api/2.0/mlflow/logged-models/search", "sagemaker-mlflow:SearchLoggedModels"),
    ("PUT", "/api/2.0/mlflow-artifacts/artifacts/1/r/artifacts/a.txt", "sagemaker-mlflow:LogModel"),
    ("GET", "/api/2.0/mlflow-artifacts/artifacts", "sagemaker-mlflow:ListArtifacts"),
    ("GET", "/", ACCESS_UI),
    ("GET", "/static-files/static/js/main.js", ACCESS_UI),
    ("GET", "/get-artifact", ACCESS_UI),
    ("POST", "/graphql", ACCESS_UI),
])
def test_actions(method: str, path: str, expected: str) -> None:
    assert action(method, path) == expected


@pytest.mark.parametrize(("method", "path"), [
    ("GET", "/ajax-api/2.0/mlflow/gateway-proxy"), ("POST", "/ajax-api/3.0/mlflow/assistant/message"),
    ("POST", "/api/2.0/mlflow/webhooks"), ("POST", "/gateway/e/mlflow/invocations"), ("POST", "/api/3.0/mlflow/gateway/secrets/create"),
    ("POST", "/ajax-api/2.0/mlflow/runs/create-promptlab-run"), ("POST", "/ajax-api/3.0/jobs"), ("GET", "/metrics"),
    ("DELETE", "/api/2.0/mlflow/runs/create"), ("GET", "/api/2.0/mlflow/nothing/here"), ("POST", "/api/2.0/mlflow/users/create"),
])
def test_what_is_not_offered(method: str, path: str) -> None:
    with pytest.raises(NotFound):
        action(method, path)


@pytest.mark.parametrize("path", ["/static-files/../x", "/static-files/%2e%2e/x", "/static-files/..%2fx", "/a%5Cb", "/a%00", "/a%0d%0ab"])
def test_paths_that_climb(path: str) -> None:
    with pytest.raises(Invalid):
        decoded(path)


def test_a_path_is_decoded_once() -> None:
    assert decoded("/static-files/%252e") == "/static-files/%2e"


@pytest.mark.parametrize("where", ["file:///etc", "/etc/passwd", "C:/x", "http://host/x", "ftp://h/x", "dbfs:/x", "sqlite:///x", "FILE:///x"])
def test_no_location_leads_into_the_server(where: str) -> None:
    for path, member in (("/api/2.0/mlflow/experiments/create", "artifact_location"), ("/ajax-api/2.0/mlflow/model-versions/create", "source")):
        with pytest.raises(AccessDenied, match=member):
            check_body(path, json.dumps({"name": "n", member: where}).encode())


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"not json", b'{"artifact_location": "s3://b/p"}', b'{"artifact_location": "mlflow-artifacts:/x"}'])
def test_other_bodies_are_for_mlflow_to_judge(body: bytes) -> None:
    check_body("/api/2.0/mlflow/experiments/create", body)


def test_files() -> None:
    assert is_artifact("/api/2.0/mlflow-artifacts/artifacts/x")
    assert not is_artifact("/api/2.0/mlflow/runs/create")
    assert shows_a_file("/get-artifact")
    assert not shows_a_file("/")


@pytest.mark.parametrize(("model", "group"), [
    ("doubler", "doubler"), ("my model/v2", "my-model-v2"), ("--x--", "x"), ("a" * 80, "a" * 63), ("a" * 62 + "  b", "a" * 62),
])
def test_group_names(model: str, group: str) -> None:
    assert group_name(model) == group


def test_a_name_without_letters_gets_one() -> None:
    assert group_name("模型").startswith("mlflow-")
    assert group_name("模型") != group_name("型模")
