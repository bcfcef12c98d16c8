"""The code editor app: a program of this machine, run and reached as JupyterLab is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from sagewright.testing.browser import Browser
from sagewright.testing.editor import stand_in
from sagewright.testing.server import TestServer
from sagewright.testing.studio import SLOW, Team
from sagewright.testing.waiting import until

pytestmark = pytest.mark.xdist_group("workspaces")
BASE = "/codeeditor/default/"


def app(team: Team, space: str) -> dict[str, Any]:
    found: dict[str, Any] = team.sagemaker.describe_app(**where(team, space))
    return found


def where(team: Team, space: str) -> dict[str, str]:
    return {**team.where(space), "AppType": "CodeEditor"}


def started(team: Team, owner: str) -> str:
    """A space with an editor that is over Pending."""
    space = team.space(owner, AppType="CodeEditor")
    team.sagemaker.create_app(**where(team, space))
    until(lambda: app(team, space)["Status"] != "Pending", SLOW, lambda: str(app(team, space)))
    return space


@pytest.fixture
def editing(tmp_path: Path) -> Iterator[Team]:
    """A server on a machine that has an editor: outside /usr, as people install it."""
    with TestServer(tmp_path / "data", {"code_editor": str(stand_in(tmp_path / "editors"))}) as server:
        yield Team(server)


def test_an_editor_runs_as_jupyterlab_does(editing: Team) -> None:
    team = editing
    owner = team.profile()
    space = started(team, owner)
    assert app(team, space)["Status"] == "InService", app(team, space)
    said = team.sagemaker.create_presigned_domain_url(
        DomainId=team.domain, UserProfileName=owner, SpaceName=space, LandingUri="app:CodeEditor:work"
    )
    browser = Browser.opened(said["AuthorizedUrl"])
    assert browser.ask("GET", "/").headers["location"] == BASE
    page = browser.ask("GET", f"{BASE}static/out.js?v=1")
    # the editor has its own root, no cookie, and the visitor's name
    assert page.body.decode() == f"/static/out.js?v=1 /home/sagemaker-user no cookie {team.domain}/{owner}"
    assert "default-src 'self'" in page.headers["content-security-policy"]
    for _ in range(3):
        with browser.socket(f"{BASE}socket") as channel:
            channel.send("typed")
            assert channel.recv(30) == "TYPED"
    stranger = Browser(browser.url)
    assert stranger.ask("GET", BASE).status == 403
    with pytest.raises(InvalidStatus, match="403"), stranger.socket(f"{BASE}socket"):
        raise AssertionError("it is open")
    for path in ("/ping", "/sagewright/use", "/sagewright/credentials"):
        assert browser.ask("GET", path).status == 404
    until(lambda: app(team, space).get("LastHealthCheckTimestamp"))
    assert any("arguments --auth none --socket" in line for line in team.log(f"{team.domain}/{space}/CodeEditor/default"))
    team.sagemaker.delete_app(**where(team, space))
    until(lambda: app(team, space)["Status"] == "Deleted", 60, lambda: str(app(team, space)))
    assert browser.ask("GET", BASE).status == 503


def test_a_machine_without_an_editor_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    editors = ("code-server", "openvscode-server")
    without = [folder for folder in os.get_exec_path() if not any(os.access(Path(folder) / name, os.X_OK) for name in editors)]
    monkeypatch.setenv("PATH", os.pathsep.join(without))  # whatever the machine of the tests has
    with TestServer(tmp_path / "data") as server:
        team = Team(server)
        space = started(team, team.profile())
        failed = app(team, space)
        assert failed["Status"] == "Failed"
        assert "Install code-server or OpenVSCode Server" in failed["FailureReason"]
