"""Code repositories: kept, changed, and cloned into workspaces with credentials that lie nowhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagewright.testing.browser import Browser, execute
from sagewright.testing.git import GitServer
from sagewright.testing.names import unique
from sagewright.testing.server import TestServer
from sagewright.testing.studio import SLOW, Team
from sagewright.testing.waiting import until

pytestmark = pytest.mark.xdist_group("workspaces")
BASE = "/notebook/"
WORD = "a-word-of-the-tests"


@pytest.fixture(scope="module")
def git(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitServer]:
    with GitServer(tmp_path_factory.mktemp("git"), "ada", WORD) as running:
        running.repository("rain", {"main": {"forecast.txt": "dry"}, "storm": {"forecast.txt": "wet"}})
        running.repository("wind", {"main": {"speed.txt": "9"}})
        yield running


@pytest.fixture(scope="module")
def there(git: GitServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestServer]:
    """A server whose workspaces believe the git server."""
    with TestServer(tmp_path_factory.mktemp("server"), {"git_authorities": str(git.authority)}) as running:
        yield running


def secret(server: TestServer, password: str = WORD) -> str:
    text = json.dumps({"username": "ada", "password": password})
    return str(server.client("secretsmanager").create_secret(Name=unique("git"), SecretString=text)["ARN"])


def named(server: TestServer, url: str, **more: str) -> str:
    name = unique("code")
    server.client("sagemaker").create_code_repository(CodeRepositoryName=name, GitConfig={"RepositoryUrl": url, **more})
    return name


def notebook(server: TestServer, **more: Any) -> tuple[str, dict[str, Any]]:
    """A notebook instance that is over Pending."""
    sagemaker, name = server.client("sagemaker"), unique("book")
    role = f"arn:aws:iam::123456789012:role/{server.execution_role()}"
    sagemaker.create_notebook_instance(NotebookInstanceName=name, InstanceType="ml.t3.medium", RoleArn=role, **more)

    def about() -> dict[str, Any]:
        found: dict[str, Any] = sagemaker.describe_notebook_instance(NotebookInstanceName=name)
        return found

    until(lambda: about()["NotebookInstanceStatus"] != "Pending", SLOW, lambda: str(about()))
    return name, about()


def remove(server: TestServer, name: str) -> None:
    sagemaker = server.client("sagemaker")
    if sagemaker.describe_notebook_instance(NotebookInstanceName=name)["NotebookInstanceStatus"] == "InService":
        sagemaker.stop_notebook_instance(NotebookInstanceName=name)
    until(lambda: sagemaker.describe_notebook_instance(NotebookInstanceName=name)["NotebookInstanceStatus"] in ("Stopped", "Failed"))
    sagemaker.delete_notebook_instance(NotebookInstanceName=name)


def test_repositories_are_kept_changed_and_listed(server: TestServer) -> None:
    sagemaker, name = server.client("sagemaker"), unique("code")
    arn, other = ("arn:aws:secretsmanager:us-east-1:123456789012:secret:" + end for end in ("one", "two"))
    config = {"RepositoryUrl": "https://example.com/team/rain.git", "Branch": "main", "SecretArn": arn}
    made = sagemaker.create_code_repository(CodeRepositoryName=name, GitConfig=config, Tags=[{"Key": "a", "Value": "b"}])
    assert made["CodeRepositoryArn"].endswith(f":code-repository/{name}")
    with pytest.raises(ClientError, match="already existing"):
        sagemaker.create_code_repository(CodeRepositoryName=name, GitConfig=config)
    assert sagemaker.list_tags(ResourceArn=made["CodeRepositoryArn"])["Tags"] == [{"Key": "a", "Value": "b"}]
    sagemaker.update_code_repository(CodeRepositoryName=name, GitConfig={"SecretArn": other})
    about = sagemaker.describe_code_repository(CodeRepositoryName=name)
    assert about["GitConfig"] == {**config, "SecretArn": other}
    assert about["LastModifiedTime"] > about["CreationTime"]
    listed = sagemaker.list_code_repositories(NameContains=name, SortBy="Name")["CodeRepositorySummaryList"]
    assert [one["CodeRepositoryName"] for one in listed] == [name]
    sagemaker.delete_code_repository(CodeRepositoryName=name)
    with pytest.raises(ClientError, match="Could not find"):
        sagemaker.describe_code_repository(CodeRepositoryName=name)
    with pytest.raises(ClientError, match="no user and no password"):
        sagemaker.create_code_repository(CodeRepositoryName=name, GitConfig={"RepositoryUrl": "https://ada:word@example.com/x.git"})


def test_a_notebook_instance_has_its_repositories(there: TestServer, git: GitServer) -> None:
    """By name and by URL, a branch, and credentials that git finds again later; none of them on disk."""
    key = secret(there)
    default = named(there, f"{git.url}/rain.git", Branch="storm", SecretArn=key)
    named(there, f"{git.url}/wind.git", SecretArn=key)
    name, about = notebook(there, DefaultCodeRepository=default, AdditionalCodeRepositories=[f"{git.url}/wind.git"])
    assert about["NotebookInstanceStatus"] == "InService", about
    assert about["DefaultCodeRepository"] == default
    url = there.client("sagemaker").create_presigned_notebook_instance_url(NotebookInstanceName=name)["AuthorizedUrl"]
    browser = Browser.opened(url)
    assert browser.ask("GET", f"{BASE}files/rain/forecast.txt").body == b"wet"
    assert browser.ask("GET", f"{BASE}files/wind/speed.txt").body == b"9"
    kernel = browser.ask("POST", f"{BASE}api/kernels", {"name": "python3"}).json()["id"]
    code = (
        "import os, pathlib, subprocess\n"
        "pushed = subprocess.run('cd rain && git config user.email a@b.c && git config user.name a && git fetch --quiet && git rev-parse origin/storm', shell=True, capture_output=True, text=True)\n"
        f"seen = [str(p) for p in pathlib.Path('.').rglob('*') if p.is_file() and {WORD.encode()!r} in p.read_bytes()]\n"
        f"print(pushed.returncode, pushed.stderr, seen, {WORD!r} in str(dict(os.environ)), open('rain/.git/config').read().count('ada'))"
    )
    said = execute(browser, BASE, kernel, code, SLOW)
    assert said.split() == ["0", "[]", "False", "0"], said
    remove(there, name)


def test_a_clone_that_fails_is_told_in_git_s_words(there: TestServer, git: GitServer) -> None:
    wrong = named(there, f"{git.url}/rain.git", SecretArn=secret(there, "another word"))
    name, about = notebook(there, DefaultCodeRepository=wrong)
    assert about["NotebookInstanceStatus"] == "Failed"
    assert f"The repository {git.url}/rain.git could not be cloned: fatal: Authentication failed" in about["FailureReason"]
    assert "another word" not in about["FailureReason"]
    remove(there, name)
    missing = named(there, f"{git.url}/rain.git", Branch="nowhere", SecretArn=secret(there))
    name, about = notebook(there, DefaultCodeRepository=missing)
    assert "Remote branch nowhere not found" in about["FailureReason"]
    remove(there, name)
    with pytest.raises(ClientError, match="Could not find code repository"):
        notebook(there, AdditionalCodeRepositories=["nobody"])


def test_an_app_of_a_space_has_those_of_its_settings(there: TestServer, git: GitServer) -> None:
    url = f"{git.url}/wind.git"
    named(there, url, SecretArn=secret(there))
    team = Team(there)
    owner = team.profile()
    space = team.space(owner, JupyterLabAppSettings={"CodeRepositories": [{"RepositoryUrl": url}]})
    assert team.start(space)["Status"] == "InService", team.app(space)
    assert team.browser(space, owner).ask("GET", "/jupyterlab/default/files/wind/speed.txt").body == b"9"
    team.sagemaker.delete_app(**team.where(space))
