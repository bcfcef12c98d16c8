"""Notebook instances: their states, their scripts, what persists, and who may open them."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagewright.testing.browser import Browser, execute
from sagewright.testing.names import unique
from sagewright.testing.server import TestServer
from sagewright.testing.studio import SLOW
from sagewright.testing.waiting import until

pytestmark = pytest.mark.xdist_group("workspaces")
BASE = "/notebook/"


def script(text: str) -> list[dict[str, str]]:
    return [{"Content": base64.b64encode(text.encode()).decode()}]


@pytest.fixture
def sagemaker(server: TestServer) -> Any:
    return server.client("sagemaker")


@pytest.fixture
def role(server: TestServer) -> str:
    return f"arn:aws:iam::123456789012:role/{server.execution_role()}"


def status(sagemaker: Any, name: str) -> str:
    return str(sagemaker.describe_notebook_instance(NotebookInstanceName=name)["NotebookInstanceStatus"])


def settled(sagemaker: Any, name: str, wanted: str) -> dict[str, Any]:
    until(lambda: status(sagemaker, name) in (wanted, "Failed"), SLOW, lambda: str(sagemaker.describe_notebook_instance(NotebookInstanceName=name)))
    about: dict[str, Any] = sagemaker.describe_notebook_instance(NotebookInstanceName=name)
    assert about["NotebookInstanceStatus"] == wanted, about
    return about


def log(server: TestServer, stream: str) -> list[str]:
    said = server.client("logs").get_log_events(logGroupName="/aws/sagemaker/NotebookInstances", logStreamName=stream, startFromHead=True)
    return [event["message"] for event in said["events"]]


def test_an_instance_through_its_life(server: TestServer, sagemaker: Any, role: str) -> None:
    name, config = unique("book"), unique("hooks")
    sagemaker.create_notebook_instance_lifecycle_config(
        NotebookInstanceLifecycleConfigName=config, OnCreate=script("echo created in $PWD\n"), OnStart=script("echo started\n"),
    )
    made = sagemaker.create_notebook_instance(
        NotebookInstanceName=name, InstanceType="ml.t3.medium", RoleArn=role, LifecycleConfigName=config, VolumeSizeInGB=8,
    )
    assert made["NotebookInstanceArn"].endswith(f":notebook-instance/{name}")
    about = settled(sagemaker, name, "InService")
    assert about["NotebookInstanceLifecycleConfigName"] == config
    assert about["DirectInternetAccess"] == about["RootAccess"] == "Enabled"
    assert log(server, f"{name}/LifecycleConfigOnCreate") == ["created in /"]
    for verb, state in (("update", "Updating"), ("delete", "Deleting"), ("start", "Pending")):
        with pytest.raises(ClientError, match=rf"Status \(InService\) not in \(\[Failed, Stopped\]\). Unable to transition to \({state}\)"):
            getattr(sagemaker, f"{verb}_notebook_instance")(NotebookInstanceName=name)
    with pytest.raises(ClientError, match="uses it"):
        sagemaker.delete_notebook_instance_lifecycle_config(NotebookInstanceLifecycleConfigName=config)

    browser = Browser.opened(sagemaker.create_presigned_notebook_instance_url(NotebookInstanceName=name)["AuthorizedUrl"])
    assert browser.host == about["Url"]
    assert browser.ask("GET", "/").headers["location"] == "/notebook/lab"
    assert browser.ask("GET", "/notebook/lab").status == 200
    assert Browser(browser.url).ask("GET", "/notebook/lab").status == 403
    kernel = browser.ask("POST", f"{BASE}api/kernels", {"name": "python3"}).json()["id"]
    code = (
        "import boto3, json, os\n"
        "name = json.load(open('/opt/ml/metadata/resource-metadata.json'))['ResourceName']\n"
        "role = boto3.client('sagemaker').describe_notebook_instance(NotebookInstanceName=name)['RoleArn']\n"  # as the SDK finds it
        "open('kept.txt', 'w').write('work'); open(os.path.expanduser('~/lost.txt'), 'w').write('rest')\n"
        "print(json.dumps([os.getcwd(), role]))"
    )
    folder, found = json.loads(execute(browser, BASE, kernel, code, SLOW).splitlines()[-1])
    assert folder == "/home/ec2-user/SageMaker"
    assert found == role

    sagemaker.stop_notebook_instance(NotebookInstanceName=name)
    settled(sagemaker, name, "Stopped")
    assert browser.ask("GET", "/notebook/lab").status == 503
    with pytest.raises(ClientError, match="Unable to open"):
        sagemaker.create_presigned_notebook_instance_url(NotebookInstanceName=name)
    sagemaker.update_notebook_instance(NotebookInstanceName=name, InstanceType="ml.t3.large", VolumeSizeInGB=9)
    assert settled(sagemaker, name, "Stopped")["InstanceType"] == "ml.t3.large"
    with pytest.raises(ClientError, match="smaller"):
        sagemaker.update_notebook_instance(NotebookInstanceName=name, VolumeSizeInGB=5)
    sagemaker.start_notebook_instance(NotebookInstanceName=name)
    settled(sagemaker, name, "InService")
    assert log(server, f"{name}/LifecycleConfigOnCreate") == ["created in /"]
    assert log(server, f"{name}/LifecycleConfigOnStart") == ["started", "started"]
    again = Browser.opened(sagemaker.create_presigned_notebook_instance_url(NotebookInstanceName=name)["AuthorizedUrl"])
    assert again.ask("GET", f"{BASE}files/kept.txt").body == b"work"
    assert name in [one["NotebookInstanceName"] for one in sagemaker.list_notebook_instances(StatusEquals="InService", MaxResults=100)["NotebookInstances"]]

    sagemaker.stop_notebook_instance(NotebookInstanceName=name)
    settled(sagemaker, name, "Stopped")
    volume = next(one for one in (server.data / "volumes").iterdir() if one.name.startswith("notebook-") and (one / "kept.txt").exists())
    sagemaker.delete_notebook_instance(NotebookInstanceName=name)
    sagemaker.get_waiter("notebook_instance_deleted").wait(NotebookInstanceName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    assert not volume.exists()
    sagemaker.delete_notebook_instance_lifecycle_config(NotebookInstanceLifecycleConfigName=config)


def test_a_script_that_fails_fails_the_instance(server: TestServer, sagemaker: Any, role: str) -> None:
    name, config = unique("book"), unique("hooks")
    sagemaker.create_notebook_instance_lifecycle_config(NotebookInstanceLifecycleConfigName=config, OnStart=script("echo no >&2; exit 7"))
    sagemaker.create_notebook_instance(NotebookInstanceName=name, InstanceType="ml.t3.medium", RoleArn=role, LifecycleConfigName=config)
    about = settled(sagemaker, name, "Failed")
    assert "LifecycleConfigOnStart failed: exit code 7. Last log line: no" in about["FailureReason"]
    sagemaker.update_notebook_instance(NotebookInstanceName=name, DisassociateLifecycleConfig=True)
    about = settled(sagemaker, name, "Stopped")
    assert "NotebookInstanceLifecycleConfigName" not in about
    assert "FailureReason" not in about
    sagemaker.delete_notebook_instance(NotebookInstanceName=name)


def test_what_cannot_be(sagemaker: Any, role: str) -> None:
    with pytest.raises(ClientError, match="RecordNotFound"):
        sagemaker.describe_notebook_instance(NotebookInstanceName="nobody")
    with pytest.raises(ClientError, match="lifecycle config"):
        sagemaker.create_notebook_instance(NotebookInstanceName=unique("book"), InstanceType="ml.t3.medium", RoleArn=role, LifecycleConfigName="none")
    with pytest.raises(ClientError, match="no user and no password"):
        sagemaker.create_notebook_instance(
            NotebookInstanceName=unique("book"), InstanceType="ml.t3.medium", RoleArn=role, DefaultCodeRepository="https://ada:secret@example.com/x.git",
        )
    with pytest.raises(ClientError, match="base64"):
        sagemaker.create_notebook_instance_lifecycle_config(NotebookInstanceLifecycleConfigName=unique("hooks"), OnStart=[{"Content": "no base64!"}])


def test_configurations_are_changed_and_listed(sagemaker: Any) -> None:
    name = unique("hooks")
    sagemaker.create_notebook_instance_lifecycle_config(NotebookInstanceLifecycleConfigName=name, OnStart=script("one"))
    sagemaker.update_notebook_instance_lifecycle_config(NotebookInstanceLifecycleConfigName=name, OnStart=script("two"))
    about = sagemaker.describe_notebook_instance_lifecycle_config(NotebookInstanceLifecycleConfigName=name)
    assert about["OnStart"] == script("two")
    found = sagemaker.list_notebook_instance_lifecycle_configs(NameContains=name)["NotebookInstanceLifecycleConfigs"]
    assert [one["NotebookInstanceLifecycleConfigName"] for one in found] == [name]
    sagemaker.delete_notebook_instance_lifecycle_config(NotebookInstanceLifecycleConfigName=name)
    with pytest.raises(ClientError, match="Could not find"):
        sagemaker.describe_notebook_instance_lifecycle_config(NotebookInstanceLifecycleConfigName=name)
