"""Domains, user profiles, spaces, apps and lifecycle configurations, as boto3 sees them."""

from __future__ import annotations

import base64
import re
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

import sagewright
from sagewright.testing.names import unique
from sagewright.testing.server import TestServer
from sagewright.testing.waiting import until

README = Path(sagewright.__file__).parent / "slices" / "studio" / "README.md"


class Studio:
    """A domain of one's own on the shared server."""

    def __init__(self, server: TestServer) -> None:
        self.server, self.client = server, server.client("sagemaker")
        self.role = f"arn:aws:iam::123456789012:role/{server.execution_role()}"
        self.name = unique("studio")
        self.domain = self.make(self.name)

    def make(self, name: str, **more: Any) -> str:
        settings = {"DefaultUserSettings": {"ExecutionRole": self.role}}
        made = self.client.create_domain(DomainName=name, AuthMode="IAM", **{**settings, **more})
        found = re.fullmatch(r"arn:aws:sagemaker:us-east-1:123456789012:domain/(d-[a-z0-9]{12})", made["DomainArn"])
        assert found is not None
        self.settled("domain", DomainId=found[1])
        return found[1]

    def settled(self, noun: str, **names: str) -> dict[str, Any]:
        """The description once the status is no transition."""
        describe = getattr(self.client, f"describe_{noun}")
        found: dict[str, Any] = {}

        def rests() -> bool:
            found.update(describe(**names))
            return found["Status"] not in ("Pending", "Updating", "Deleting")

        until(rests, why=lambda: str(found))
        return found

    def profile(self, name: str, **settings: Any) -> dict[str, Any]:
        self.client.create_user_profile(DomainId=self.domain, UserProfileName=name, UserSettings=settings)
        return self.settled("user_profile", DomainId=self.domain, UserProfileName=name)

    def space(self, name: str, owner: str = "ada", sharing: str = "Private", **more: Any) -> dict[str, Any]:
        given = {"SpaceSettings": {"AppType": "JupyterLab"}, **more}
        self.client.create_space(
            DomainId=self.domain, SpaceName=name, OwnershipSettings={"OwnerUserProfileName": owner},
            SpaceSharingSettings={"SharingType": sharing}, **given,
        )  # fmt: skip
        return self.settled("space", DomainId=self.domain, SpaceName=name)

    def gone(self, noun: str, **names: str) -> None:
        getattr(self.client, f"delete_{noun}")(**names)

        def missing() -> bool:
            try:
                getattr(self.client, f"describe_{noun}")(**names)
            except ClientError as error:
                return error.response["Error"]["Code"] == "ResourceNotFound"
            return False

        until(missing)


@pytest.fixture
def studio(server: TestServer) -> Studio:
    return Studio(server)


def refusal(call: Callable[..., Any], **params: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as error:
        call(**params)
    return error.value.response["Error"]["Code"], error.value.response["Error"]["Message"]


def test_a_domain_is_made_changed_and_deleted(studio: Studio) -> None:
    client, domain = studio.client, studio.domain
    about = client.describe_domain(DomainId=domain)
    assert (about["Status"], about["AppNetworkAccessType"], about["DomainName"]) == ("InService", "PublicInternetOnly", studio.name)
    assert re.fullmatch(r"fs-[0-9a-f]{17}", about["HomeEfsFileSystemId"])
    assert about["Url"] == f"{studio.server.url}/_sagewright/studio/?domain={domain}"
    listed = [d for page in client.get_paginator("list_domains").paginate() for d in page["Domains"]]
    assert [d["Status"] for d in listed if d["DomainId"] == domain] == ["InService"]
    idle = {"LifecycleManagement": "ENABLED", "IdleTimeoutInMinutes": 60}
    client.update_domain(DomainId=domain, DefaultUserSettings={"JupyterLabAppSettings": {"AppLifecycleManagement": {"IdleSettings": idle}}})
    about = studio.settled("domain", DomainId=domain)
    assert about["DefaultUserSettings"]["ExecutionRole"] == studio.role
    assert about["DefaultUserSettings"]["JupyterLabAppSettings"]["AppLifecycleManagement"]["IdleSettings"] == idle
    studio.gone("domain", DomainId=domain)
    assert refusal(client.delete_domain, DomainId=domain)[0] == "ResourceNotFound"


def test_what_holds_something_is_not_deleted(studio: Studio) -> None:
    client, domain = studio.client, studio.domain
    studio.profile("ada")
    studio.space("notes")
    code, text = refusal(client.delete_domain, DomainId=domain)
    assert code == "ResourceInUse"
    assert f"user-profile/{domain}/ada" in text
    assert f"space/{domain}/notes" in text
    code, text = refusal(client.delete_user_profile, DomainId=domain, UserProfileName="ada")
    assert code == "ResourceInUse"
    assert f"space/{domain}/notes" in text
    client.create_app(DomainId=domain, UserProfileName="ada", AppType="TensorBoard", AppName="board")
    studio.gone("space", DomainId=domain, SpaceName="notes")
    code, text = refusal(client.delete_user_profile, DomainId=domain, UserProfileName="ada")
    assert code == "ResourceInUse"
    assert f"app/{domain}/ada/tensorboard/board" in text
    client.delete_app(DomainId=domain, UserProfileName="ada", AppType="TensorBoard", AppName="board")
    app = {"DomainId": domain, "UserProfileName": "ada", "AppType": "TensorBoard", "AppName": "board"}
    until(lambda: client.describe_app(**app)["Status"] == "Deleted")
    studio.gone("user_profile", DomainId=domain, UserProfileName="ada")
    studio.gone("domain", DomainId=domain)


def test_profiles_have_names_and_numbers_of_their_own(studio: Studio) -> None:
    first, second = studio.profile("Ada"), studio.profile("bob")
    assert first["UserProfileArn"].endswith(f":user-profile/{studio.domain}/ada")
    assert int(second["HomeEfsFileSystemUid"]) > int(first["HomeEfsFileSystemUid"]) >= 200_000
    code, text = refusal(studio.client.create_user_profile, DomainId=studio.domain, UserProfileName="ADA")
    assert code == "ResourceInUse"
    assert "already exists" in text
    assert refusal(studio.client.create_user_profile, DomainId="d-nosuchdomain", UserProfileName="x")[0] in ("ResourceNotFound", "ValidationException")
    assert refusal(studio.client.describe_user_profile, DomainId=studio.domain, UserProfileName="eve")[0] == "ResourceNotFound"
    found = studio.client.list_user_profiles(DomainIdEquals=studio.domain, UserProfileNameContains="d")["UserProfiles"]
    assert [p["UserProfileName"] for p in found] == ["Ada"]
    page = studio.client.list_user_profiles(DomainIdEquals=studio.domain, MaxResults=1)
    rest = studio.client.list_user_profiles(DomainIdEquals=studio.domain, MaxResults=1, NextToken=page["NextToken"])
    assert {p["UserProfileName"] for p in page["UserProfiles"] + rest["UserProfiles"]} == {"Ada", "bob"}


def test_a_profile_is_changed_member_by_member(studio: Studio) -> None:
    studio.profile("ada", SecurityGroups=["sg-1"], JupyterLabAppSettings={"DefaultResourceSpec": {"InstanceType": "ml.t3.large"}})
    studio.client.update_user_profile(
        DomainId=studio.domain, UserProfileName="ada", UserSettings={"JupyterLabAppSettings": {"CodeRepositories": [{"RepositoryUrl": "https://x.example/r"}]}}
    )
    settings = studio.settled("user_profile", DomainId=studio.domain, UserProfileName="ada")["UserSettings"]
    assert settings["SecurityGroups"] == ["sg-1"]
    assert settings["JupyterLabAppSettings"] == {
        "DefaultResourceSpec": {"InstanceType": "ml.t3.large"}, "CodeRepositories": [{"RepositoryUrl": "https://x.example/r"}],
    }  # fmt: skip


def test_a_role_must_exist_and_be_passed(studio: Studio) -> None:
    nobody = {"ExecutionRole": "arn:aws:iam::123456789012:role/Nobody"}
    for call in (
        lambda: studio.client.create_domain(DomainName=unique("d"), AuthMode="IAM", DefaultUserSettings=nobody),
        lambda: studio.client.create_user_profile(DomainId=studio.domain, UserProfileName="x", UserSettings=nobody),
    ):
        code, text = refusal(call)
        assert code == "ValidationException"
        assert "Could not assume role" in text
    assert refusal(studio.client.create_domain, DomainName=unique("d"), AuthMode="IAM", DefaultUserSettings={})[0] == "ValidationException"


def test_spaces_have_owners_types_and_storage(studio: Studio) -> None:
    limits = {"DefaultEbsStorageSettings": {"DefaultEbsVolumeSizeInGb": 8, "MaximumEbsVolumeSizeInGb": 20}}
    studio.profile("ada", SpaceStorageSettings=limits)
    about = studio.space("notes")
    assert about["SpaceSettings"]["SpaceStorageSettings"]["EbsStorageSettings"] == {"EbsVolumeSizeInGb": 8}
    summary = studio.client.list_spaces(DomainIdEquals=studio.domain, SpaceNameContains="OTE")["Spaces"][0]
    assert summary["SpaceSettingsSummary"]["AppType"] == "JupyterLab"
    assert summary["OwnershipSettingsSummary"] == {"OwnerUserProfileName": "ada"}
    assert summary["SpaceSharingSettingsSummary"] == {"SharingType": "Private"}

    def storage(size: int) -> dict[str, Any]:
        return {"SpaceStorageSettings": {"EbsStorageSettings": {"EbsVolumeSizeInGb": size}}}

    names = {"DomainId": studio.domain, "SpaceName": "notes"}
    assert "cannot shrink" in refusal(studio.client.update_space, **names, SpaceSettings=storage(5))[1]
    assert "20 GB" in refusal(studio.client.update_space, **names, SpaceSettings=storage(21))[1]
    studio.client.update_space(**names, SpaceSettings=storage(20), SpaceDisplayName="Notes of Ada")
    about = studio.settled("space", **names)
    assert (about["SpaceDisplayName"], about["SpaceSettings"]["SpaceStorageSettings"]["EbsStorageSettings"]["EbsVolumeSizeInGb"]) == ("Notes of Ada", 20)
    for wrong in (
        {"OwnershipSettings": {"OwnerUserProfileName": "ada"}},
        {"OwnershipSettings": {"OwnerUserProfileName": "eve"}, "SpaceSharingSettings": {"SharingType": "Shared"}},
        {"OwnershipSettings": {"OwnerUserProfileName": "ada"}, "SpaceSharingSettings": {"SharingType": "Private"}},
        {"SpaceSettings": storage(5) | {"AppType": "JupyterLab"}, "SpaceSharingSettings": {"SharingType": "Private"}},
    ):
        assert refusal(studio.client.create_space, DomainId=studio.domain, SpaceName="x", **wrong)[0] in ("ValidationException", "ResourceNotFound"), wrong


def test_apps_belong_to_one_place(studio: Studio) -> None:
    studio.profile("ada")
    studio.space("notes")
    create, base = studio.client.create_app, {"DomainId": studio.domain, "AppName": "default"}
    for wrong, text in (
        ({"AppType": "JupyterLab"}, "Exactly one"),
        ({"AppType": "JupyterLab", "UserProfileName": "ada", "SpaceName": "notes"}, "Exactly one"),
        ({"AppType": "JupyterLab", "UserProfileName": "ada"}, "run in a space"),
        ({"AppType": "CodeEditor", "SpaceName": "notes"}, "apps of type JupyterLab"),
        ({"AppType": "JupyterLab", "SpaceName": "notes", "AppName": "other"}, "must be default"),
        ({"AppType": "Canvas", "SpaceName": "notes"}, "for a user profile"),
        ({"AppType": "JupyterLab", "SpaceName": "none"}, "Could not find space"),
    ):
        code, said = refusal(create, **{**base, **wrong})
        assert (code, text in said) == ("ValidationException", True), (wrong, said)


def test_an_app_that_nobody_runs_says_so_and_can_be_made_again(studio: Studio) -> None:
    studio.profile("ada", TensorBoardAppSettings={"DefaultResourceSpec": {"InstanceType": "ml.t3.large"}})
    app = {"DomainId": studio.domain, "UserProfileName": "ada", "AppType": "TensorBoard", "AppName": "board"}
    where = studio.client.create_app(**app)["AppArn"]
    assert where == f"arn:aws:sagemaker:us-east-1:123456789012:app/{studio.domain}/ada/tensorboard/board"
    about = studio.settled("app", **app)
    assert about["Status"] == "Failed"
    assert about["FailureReason"] == "ClientError: apps of type TensorBoard cannot run on this server: nothing here runs them."
    assert about["ResourceSpec"] == {"InstanceType": "ml.t3.large"}
    studio.client.delete_app(**app)
    until(lambda: studio.client.describe_app(**app)["Status"] == "Deleted")
    assert refusal(studio.client.delete_app, **app)[0] == "ResourceNotFound"
    listed = studio.client.list_apps(DomainIdEquals=studio.domain, UserProfileNameEquals="ada")["Apps"]
    assert [a["Status"] for a in listed] == ["Deleted"]
    assert studio.client.create_app(**app)["AppArn"] == where
    until(lambda: studio.client.describe_app(**app)["Status"] == "Failed")
    nobodys = {k: v for k, v in app.items() if k != "UserProfileName"}
    assert studio.client.describe_app(**nobodys)["AppArn"] == where
    studio.profile("bob")
    studio.client.create_app(**{**app, "UserProfileName": "bob"})
    assert refusal(studio.client.describe_app, **nobodys)[0] == "ValidationException"
    other = {**nobodys, "SpaceName": "ada"}
    assert refusal(studio.client.describe_app, **other)[0] == "ResourceNotFound"


def test_an_app_and_the_end_of_its_space_exclude_each_other(studio: Studio) -> None:
    studio.profile("ada")

    def attempt(call: Callable[..., Any], **params: Any) -> str:
        try:
            call(**params)
        except ClientError as error:
            return error.response["Error"]["Code"]
        return ""

    for number in range(4):
        name = f"race-{number}"
        studio.space(name, sharing="Shared", SpaceSettings={})
        app = {"DomainId": studio.domain, "SpaceName": name, "AppType": "KernelGateway", "AppName": "k"}
        with ThreadPoolExecutor(2) as pool:
            made = pool.submit(attempt, studio.client.create_app, **app)
            gone = pool.submit(attempt, studio.client.delete_space, DomainId=studio.domain, SpaceName=name)
        apps = [a for a in studio.client.list_apps(DomainIdEquals=studio.domain, SpaceNameEquals=name)["Apps"] if a["Status"] != "Deleted"]
        if made.result() == "":
            assert len(apps) == 1
            assert studio.settled("space", DomainId=studio.domain, SpaceName=name)["Status"] in ("InService", "Delete_Failed")
        else:
            assert (apps, gone.result()) == ([], "")


def test_lifecycle_configurations(studio: Studio) -> None:
    client, name = studio.client, unique("config")
    content = base64.b64encode(b"#!/bin/bash\necho ready\n").decode()
    given = {"StudioLifecycleConfigName": name, "StudioLifecycleConfigContent": content, "StudioLifecycleConfigAppType": "JupyterLab"}
    where = client.create_studio_lifecycle_config(**given)["StudioLifecycleConfigArn"]
    assert where.endswith(f":studio-lifecycle-config/{name}")
    assert refusal(client.create_studio_lifecycle_config, **given)[0] == "ResourceInUse"
    assert client.describe_studio_lifecycle_config(StudioLifecycleConfigName=name)["StudioLifecycleConfigContent"] == content
    listed = client.list_studio_lifecycle_configs(NameContains=name, AppTypeEquals="JupyterLab", SortBy="Name")["StudioLifecycleConfigs"]
    assert [c["StudioLifecycleConfigArn"] for c in listed] == [where]
    assert client.list_studio_lifecycle_configs(NameContains=name, AppTypeEquals="CodeEditor")["StudioLifecycleConfigs"] == []
    wrong = {**given, "StudioLifecycleConfigName": unique("wrong"), "StudioLifecycleConfigContent": "#!/bin/bash"}
    assert "base64" in refusal(client.create_studio_lifecycle_config, **wrong)[1]
    spec = {"LifecycleConfigArns": [where], "DefaultResourceSpec": {"LifecycleConfigArn": where, "InstanceType": "ml.t3.medium"}}
    code, text = refusal(client.create_user_profile, DomainId=studio.domain, UserProfileName="x", UserSettings={"CodeEditorAppSettings": spec})
    assert code == "ValidationException"
    assert "for apps of type JupyterLab" in text
    studio.profile("ada", JupyterLabAppSettings=spec)
    code, text = refusal(client.delete_studio_lifecycle_config, StudioLifecycleConfigName=name)
    assert code == "ResourceInUse"
    assert f"user-profile/{studio.domain}/ada" in text
    mine = {"AppType": "JupyterLab", "JupyterLabAppSettings": {"DefaultResourceSpec": {"LifecycleConfigArn": where}}}
    studio.space("notes", SpaceSettings=mine)  # a space has a script, and no list of those to choose from
    studio.gone("space", DomainId=studio.domain, SpaceName="notes")
    studio.gone("user_profile", DomainId=studio.domain, UserProfileName="ada")
    client.delete_studio_lifecycle_config(StudioLifecycleConfigName=name)
    assert refusal(client.describe_studio_lifecycle_config, StudioLifecycleConfigName=name)[0] == "ResourceNotFound"


@pytest.mark.parametrize("settings", [
    {"JupyterLabAppSettings": {"AppLifecycleManagement": {"IdleSettings": {"MinIdleTimeoutInMinutes": 120, "MaxIdleTimeoutInMinutes": 60}}}},
    {"CodeEditorAppSettings": {"AppLifecycleManagement": {"IdleSettings": {"IdleTimeoutInMinutes": 61, "MaxIdleTimeoutInMinutes": 60}}}},
    {"SpaceStorageSettings": {"DefaultEbsStorageSettings": {"DefaultEbsVolumeSizeInGb": 9, "MaximumEbsVolumeSizeInGb": 8}}},
    {"JupyterLabAppSettings": {"LifecycleConfigArns": ["arn:aws:sagemaker:us-east-1:123456789012:studio-lifecycle-config/none"]}},
])  # fmt: skip
def test_settings_that_contradict_themselves(studio: Studio, settings: dict[str, Any]) -> None:
    assert refusal(studio.client.create_user_profile, DomainId=studio.domain, UserProfileName="x", UserSettings=settings)[0] == "ValidationException"


def test_tags_of_places(studio: Studio) -> None:
    where = studio.profile("ada")["UserProfileArn"]
    studio.client.add_tags(ResourceArn=where, Tags=[{"Key": "team", "Value": "blue"}])
    assert studio.client.list_tags(ResourceArn=where)["Tags"] == [{"Key": "team", "Value": "blue"}]


def test_a_new_server_has_a_domain_with_its_owner(server: TestServer) -> None:
    client = server.client("sagemaker")
    listed = [d for page in client.get_paginator("list_domains").paginate() for d in page["Domains"]]
    domain = next(d["DomainId"] for d in listed if d["DomainName"] == "default")
    role = client.describe_domain(DomainId=domain)["DefaultUserSettings"]["ExecutionRole"]
    assert role == server.environment()["SAGEWRIGHT_ROLE_ARN"]
    assert client.describe_user_profile(DomainId=domain, UserProfileName="owner")["Status"] == "InService"


def test_the_readmes_workflow_runs(own_server: TestServer, tmp_path: Path) -> None:
    block = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)[0]
    (tmp_path / "workflow.py").write_text(block)
    command = [sys.executable, str(tmp_path / "workflow.py")]
    done = subprocess.run(command, env=own_server.environment(), capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert "['notes']" in done.stdout
    assert "/_sagewright/studio/auth?token=" in done.stdout
