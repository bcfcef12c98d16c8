"""Repositories as a workspace is told of them."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest

from sagewright.slices.studio_apps.repositories import CodeRepositories, Repository, check_url, named, of_settings
from sagewright.wire.errors import Invalid


@pytest.mark.parametrize(("url", "folder"), [
    ("https://example.com/team/rain.git", "rain"), ("https://example.com/team/rain/", "rain"), ("https://example.com/a/..", "repository"),
    ("https://example.com", "repository"), ("https://example.com/a/it%20is", "it-20is"), ("https://example.com/.git", "repository"),
])  # fmt: skip
def test_a_folder_is_called_as_git_would_and_never_leads_away(url: str, folder: str) -> None:
    assert Repository(url).folder == folder


@pytest.mark.parametrize("url", ["https://ada@example.com/x", "https://ada:word@example.com/x", "https:///x", "https://example.com/x\n"])
def test_urls_that_say_who_asks_are_refused(url: str) -> None:
    with pytest.raises(Invalid):
        check_url(url)


def test_two_of_one_name_have_a_folder_each() -> None:
    both = [Repository("https://a.example/rain.git", "main", "arn"), Repository("https://b.example/rain.git")]
    said = json.loads(CodeRepositories.environment(cast(Any, None), both, "/home/x")["SAGEWRIGHT_REPOSITORIES"])
    assert [one["folder"] for one in said] == ["/home/x/rain", "/home/x/rain-2"]
    assert said[0] == {"url": "https://a.example/rain.git", "branch": "main", "secret": "arn", "folder": "/home/x/rain"}
    assert CodeRepositories.environment(cast(Any, None), [], "/home/x") == {}


def test_where_they_are_named() -> None:
    assert named({"DefaultCodeRepository": "one", "AdditionalCodeRepositories": ["two"]}) == ["one", "two"]
    assert named({}) == []
    assert of_settings({"JupyterLabAppSettings": {"CodeRepositories": [{"RepositoryUrl": "https://x"}]}}, "JupyterLabAppSettings") == ["https://x"]
