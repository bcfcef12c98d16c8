"""Whose settings count, and where links lead."""

from __future__ import annotations

import pytest

from sagewright.slices.studio.sessions import landing_page
from sagewright.slices.studio.settings import effective, merged, resource_spec, volume_size

DOMAIN = {
    "DefaultUserSettings": {
        "ExecutionRole": "domain", "SecurityGroups": ["a", "b"],
        "JupyterLabAppSettings": {"DefaultResourceSpec": {"InstanceType": "ml.t3.large", "LifecycleConfigArn": "d"}, "CodeRepositories": [{"RepositoryUrl": "d"}]},
    },
    "DefaultSpaceSettings": {"ExecutionRole": "spaces"},
}  # fmt: skip
PROFILE = {"UserSettings": {"ExecutionRole": "ada", "JupyterLabAppSettings": {"DefaultResourceSpec": {"InstanceType": "ml.m5.large"}}}}
PRIVATE = {"SpaceSharingSettings": {"SharingType": "Private"}, "SpaceSettings": {"JupyterLabAppSettings": {"CodeRepositories": [{"RepositoryUrl": "s"}]}}}
SHARED = {"SpaceSharingSettings": {"SharingType": "Shared"}, "SpaceSettings": {}}


def test_the_nearest_place_wins_member_by_member() -> None:
    found = effective(DOMAIN, PROFILE, PRIVATE)
    assert found["ExecutionRole"] == "ada"
    assert found["SecurityGroups"] == ["a", "b"]
    assert found["JupyterLabAppSettings"] == {
        "DefaultResourceSpec": {"InstanceType": "ml.m5.large", "LifecycleConfigArn": "d"}, "CodeRepositories": [{"RepositoryUrl": "s"}],
    }  # fmt: skip


def test_shared_spaces_belong_to_nobody() -> None:
    assert effective(DOMAIN, PROFILE, SHARED)["ExecutionRole"] == "spaces"
    assert effective(DOMAIN, None, {"SpaceSettings": {}})["ExecutionRole"] == "spaces"
    assert effective({"DefaultUserSettings": {"ExecutionRole": "domain"}}, None, SHARED)["ExecutionRole"] == "domain"


def test_a_profile_alone() -> None:
    assert effective(DOMAIN, PROFILE, None)["ExecutionRole"] == "ada"
    assert effective(DOMAIN, {"UserSettings": {}}, None)["ExecutionRole"] == "domain"


def test_merging_leaves_its_sources_alone() -> None:
    merged(DOMAIN, {"DefaultUserSettings": {"ExecutionRole": "x", "JupyterLabAppSettings": {"DefaultResourceSpec": {"InstanceType": "y"}}}})
    assert DOMAIN["DefaultUserSettings"]["ExecutionRole"] == "domain"
    assert DOMAIN["DefaultUserSettings"]["JupyterLabAppSettings"]["DefaultResourceSpec"]["InstanceType"] == "ml.t3.large"  # type: ignore[index]


def test_what_an_app_runs_with() -> None:
    settings = effective(DOMAIN, PROFILE, PRIVATE)
    assert resource_spec(settings, "JupyterLab", {}) == {"InstanceType": "ml.m5.large", "LifecycleConfigArn": "d"}
    assert resource_spec(settings, "JupyterLab", {"InstanceType": "ml.c5.large", "LifecycleConfigArn": "None"}) == {"InstanceType": "ml.c5.large"}
    assert resource_spec(settings, "JupyterServer", {}) == {"InstanceType": "system"}
    assert resource_spec(settings, "CodeEditor", {}) == {"InstanceType": "ml.t3.medium"}


def test_storage() -> None:
    limited = {"SpaceStorageSettings": {"DefaultEbsStorageSettings": {"DefaultEbsVolumeSizeInGb": 10, "MaximumEbsVolumeSizeInGb": 50}}}
    assert volume_size({}, None) == (5, None)
    assert volume_size(limited, None) == (10, 50)
    assert volume_size(limited, 60) == (60, 50)


@pytest.mark.parametrize(("uri", "page"), [
    ("", ""),
    ("studio::", ""),
    ("studio::jobs/training?name=a", "jobs/training?name=a"),
    ("app:JupyterLab:lab/tree", "?landing=app%3AJupyterLab%3Alab%2Ftree"),
    ("studio::../../bucket", "?landing=studio%3A%3A..%2F..%2Fbucket"),
    ("studio::%2e%2e/%2E./bucket", "?landing=studio%3A%3A%252e%252e%2F%252E.%2Fbucket"),
    ("studio:://evil.example", "?landing=studio%3A%3A%2F%2Fevil.example"),
    ("studio::\\evil.example", "?landing=studio%3A%3A%5Cevil.example"),
    ("https://evil.example", "?landing=https%3A%2F%2Fevil.example"),
    ("studio::a\r\nset-cookie: x", "a%0D%0Aset-cookie:%20x"),
])  # fmt: skip
def test_links_lead_to_pages_of_ours(uri: str, page: str) -> None:
    assert landing_page(uri) == page
