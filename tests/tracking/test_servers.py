"""Tracking servers and apps through boto3: every verb, every status, and what each refuses."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError

from sagewright.testing.models import workflow
from sagewright.testing.names import unique
from sagewright.testing.server import TestServer

from .conftest import Lab

pytestmark = pytest.mark.xdist_group("mlflow")


def refused(call: Any, **params: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(**params)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def test_description(lab: Lab) -> None:
    about = lab.about()
    assert about["TrackingServerArn"] == "arn:aws:sagemaker:us-east-1:123456789012:mlflow-tracking-server/lab"
    assert about["IsActive"] == "Active"
    assert about["TrackingServerSize"] == "Small"
    assert about["MlflowVersion"] == "3.17.2"
    assert about["AutomaticModelRegistration"] is True
    assert about["TrackingServerUrl"].startswith(lab.server.url)
    assert about["CreatedBy"]["IamIdentity"]["Arn"].endswith("/operator")
    assert about["CreationTime"] <= about["LastModifiedTime"]


def test_list(lab: Lab) -> None:
    listed = lab.sagemaker.list_mlflow_tracking_servers(SortBy="Name", SortOrder="Ascending", MlflowVersion="3.17.2")
    one = next(s for s in listed["TrackingServerSummaries"] if s["TrackingServerName"] == "lab")
    assert one["IsActive"] == "Active"
    assert not lab.sagemaker.list_mlflow_tracking_servers(MlflowVersion="2.16.2")["TrackingServerSummaries"]
    assert not lab.sagemaker.list_mlflow_tracking_servers(TrackingServerStatus="Stopped")["TrackingServerSummaries"]
    assert not lab.sagemaker.list_mlflow_tracking_servers(CreatedAfter=time.time() + 10)["TrackingServerSummaries"]
    assert lab.sagemaker.list_mlflow_tracking_servers(CreatedBefore=time.time() + 10)["TrackingServerSummaries"]


def test_tags(lab: Lab) -> None:
    lab.sagemaker.add_tags(ResourceArn=lab.arn, Tags=[{"Key": "team", "Value": "x"}])
    assert lab.sagemaker.list_tags(ResourceArn=lab.arn)["Tags"] == [{"Key": "team", "Value": "x"}]


def test_what_create_refuses(lab: Lab) -> None:
    create, given = lab.sagemaker.create_mlflow_tracking_server, {"ArtifactStoreUri": f"s3://{lab.bucket}/x", "RoleArn": lab.role}
    code, text = refused(create, TrackingServerName="lab", **given)
    assert (code, "already exists" in text) == ("ValidationException", True)
    code, text = refused(create, TrackingServerName="nowhere", MlflowVersion="1.30.0", **given)
    assert "3.17.2" in text
    code, text = refused(create, TrackingServerName="nowhere", ArtifactStoreUri=f"s3://{lab.bucket}", RoleArn="arn:aws:iam::123456789012:role/nobody")
    assert code == "ValidationException"
    assert refused(lab.sagemaker.describe_mlflow_tracking_server, TrackingServerName="nowhere")[0] == "ResourceNotFound"
    assert refused(lab.sagemaker.stop_mlflow_tracking_server, TrackingServerName="nowhere")[0] == "ResourceNotFound"
    assert refused(lab.sagemaker.create_presigned_mlflow_tracking_server_url, TrackingServerName="lab", ExpiresInSeconds=301)[0] == "ValidationException"


def test_a_role_that_may_not_write_fails_with_a_reason_in_the_log(lab: Lab) -> None:
    iam = lab.server.client("iam")
    trust = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"sagemaker.amazonaws.com"},"Action":"sts:AssumeRole"}]}'
    name = unique("poor")
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    lab.sagemaker.create_mlflow_tracking_server(TrackingServerName=name, ArtifactStoreUri=f"s3://{lab.bucket}/p", RoleArn=role)
    poor = Lab(lab.server, name)
    about = poor.until("CreateFailed")
    assert about["IsActive"] == "Inactive"
    assert "s3:PutObject" in lab.log()
    assert refused(poor.sagemaker.start_mlflow_tracking_server, TrackingServerName=name)[0] == "ConflictException"
    gone(poor)


def gone(lab: Lab) -> None:
    lab.sagemaker.delete_mlflow_tracking_server(TrackingServerName=lab.name)
    vanishes(lab.about)


def vanishes(describe: Callable[[], dict[str, Any]]) -> None:
    """Poll until a description is refused with ResourceNotFound."""
    end = time.monotonic() + 60

    def watch() -> None:
        while time.monotonic() < end:
            about = describe()
            assert about.get("TrackingServerStatus", about.get("Status")) == "Deleting"
            time.sleep(0.05)

    with pytest.raises(ClientError) as caught:
        watch()
    assert caught.value.response["Error"]["Code"] == "ResourceNotFound"


def test_a_whole_life(lab: Lab) -> None:
    """Stop, start, update, delete; the store outlives each but the last."""
    mine = Lab(lab.server, "life").create(TrackingServerSize="Medium")
    conflict = refused(mine.sagemaker.start_mlflow_tracking_server, TrackingServerName="life")
    assert conflict[0] == "ConflictException"
    made = mine.make("kept")
    mine.sagemaker.stop_mlflow_tracking_server(TrackingServerName="life")
    assert mine.until("Stopped")["IsActive"] == "Inactive"
    stopped = mine.signed("GET", "/api/2.0/mlflow/experiments/search?max_results=5")
    assert (stopped.status_code, "StartMlflowTrackingServer" in stopped.text) == (400, True)
    assert refused(mine.sagemaker.stop_mlflow_tracking_server, TrackingServerName="life")[0] == "ConflictException"
    mine.sagemaker.start_mlflow_tracking_server(TrackingServerName="life")
    assert mine.until("Started")["IsActive"] == "Active"
    assert set(mine.experiments()) == {"Default", "kept"}
    mine.sagemaker.update_mlflow_tracking_server(TrackingServerName="life", AutomaticModelRegistration=True, WeeklyMaintenanceWindowStart="Tue:03:30")
    about = mine.until("Updated")
    assert about["AutomaticModelRegistration"] is True
    assert about["WeeklyMaintenanceWindowStart"] == "Tue:03:30"
    mine.sagemaker.update_mlflow_tracking_server(TrackingServerName="life", ArtifactStoreUri=f"s3://{mine.bucket}/elsewhere")
    mine.until("Updating")
    mine.until("Updated")
    assert set(mine.experiments()) == {"Default", "kept"}
    moved = mine.signed("GET", f"/api/2.0/mlflow/experiments/get?experiment_id={mine.make('new')}").json()["experiment"]
    assert moved["artifact_location"].startswith(f"s3://{mine.bucket}/elsewhere/")
    assert made == "1"
    mine.s3.put_object(Bucket=mine.bucket, Key="mlflow/1/r/artifacts/a", Body=b"x")
    volumes = lab.server.data / "volumes"
    before = {p.name for p in volumes.iterdir()}
    gone(mine)
    after = {p.name for p in volumes.iterdir()}
    assert len(before - after) == 1, "its store is gone"
    kept = mine.s3.list_objects_v2(Bucket=mine.bucket)["KeyCount"]
    assert kept > 0, "its artifacts stay"
    denied = mine.signed("GET", "/api/2.0/mlflow/experiments/search?max_results=5")
    assert (denied.status_code, denied.json()["error_code"]) == (403, "PERMISSION_DENIED")


def test_an_app(lab: Lab) -> None:
    """By ARN, named by a label; MLflow's client uses it like a server."""
    sagemaker = lab.sagemaker
    made = [
        sagemaker.create_mlflow_app(Name="notes", ArtifactStoreUri=f"s3://{lab.bucket}/app", RoleArn=lab.role, AccountDefaultStatus="ENABLED")["Arn"]
    ]
    about = sagemaker.describe_mlflow_app(Arn=made[0])
    end = time.monotonic() + 120
    while about["Status"] == "Creating":
        assert time.monotonic() < end
        time.sleep(0.05)
        about = sagemaker.describe_mlflow_app(Arn=made[0])
    assert about["Status"] == "Created", lab.log()
    assert about["ModelRegistrationMode"] == "AutoModelRegistrationDisabled"
    tracked = lab.run("track.py", "in-an-app", MLFLOW_TRACKING_URI=made[0])
    assert tracked["found"] == [tracked["run"]]
    url = sagemaker.create_presigned_mlflow_app_url(Arn=made[0])["AuthorizedUrl"]
    assert "/auth?authToken=" in url
    sagemaker.update_mlflow_app(Arn=made[0], Name="renamed", DefaultDomainIdList=["d-abc"])
    while sagemaker.describe_mlflow_app(Arn=made[0])["Status"] == "Updating":
        time.sleep(0.02)
    assert sagemaker.describe_mlflow_app(Arn=made[0])["Name"] == "renamed"
    assert [a["Arn"] for a in sagemaker.list_mlflow_apps(DefaultForDomainId="d-abc")["Summaries"]] == made
    assert not sagemaker.list_mlflow_apps(DefaultForDomainId="d-none")["Summaries"]
    assert [a["Name"] for a in sagemaker.list_mlflow_apps(AccountDefaultStatus="ENABLED", Status="Updated")["Summaries"]] == ["renamed"]
    sagemaker.delete_mlflow_app(Arn=made[0])
    vanishes(lambda: sagemaker.describe_mlflow_app(Arn=made[0]))


def test_the_readme(own_server: TestServer) -> None:
    said = workflow(own_server, "mlflow").splitlines()
    assert said[0] == "Created Active"
    assert "/auth?authToken=" in said[1]


def test_a_backup_holds_the_store(lab: Lab, tmp_path: Path) -> None:
    """Taken while it runs, restored elsewhere: the experiments are there."""
    lab.make("backed up")
    file = tmp_path / "all.tar"
    done = subprocess.run(
        [sys.executable, "-m", "sagewright", "backup", str(file), "--data", str(lab.server.data)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    with tarfile.open(file) as tar:
        stores = [m for m in tar.getmembers() if m.name.startswith("volumes/")]
        assert all(m.name.endswith("/mlflow.db") for m in stores), stores
        names: set[str] = set()
        for member in stores:
            found = tar.extractfile(member)
            assert found is not None
            copy = tmp_path / "copy.db"
            copy.write_bytes(found.read())
            with sqlite3.connect(copy) as database:
                names |= {row[0] for row in database.execute("SELECT name FROM experiments")}
            database.close()
    assert "backed up" in names


@pytest.mark.parametrize("version", ["2.16.2", "3.0.1"])
def test_older_releases(lab: Lab, version: str) -> None:
    """They start, track, show their pages and stay behind the same gate."""
    old = Lab(lab.server, f"v{version.replace('.', '-')}").create(MlflowVersion=version)
    run = old.signed("POST", "/api/2.0/mlflow/runs/create", {"experiment_id": old.make("old")}).json()["run"]["info"]["run_id"]
    assert old.signed("POST", "/api/2.0/mlflow/runs/log-metric", {"run_id": run, "key": "m", "value": 1.5, "timestamp": 1}).status_code == 200
    found = old.signed("POST", "/api/2.0/mlflow/runs/search", {"experiment_ids": ["1"], "filter": "metrics.m > 1"}).json()["runs"]
    assert [r["info"]["run_id"] for r in found] == [run]
    with httpx.Client(follow_redirects=True, timeout=60) as browser:
        page = browser.get(old.url())
        assert page.status_code == 200
        assert "<title>MLflow</title>" in page.text
    assert httpx.get(old.about()["TrackingServerUrl"] + "/version").status_code == 403
    gone(old)
