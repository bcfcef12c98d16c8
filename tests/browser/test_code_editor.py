"""Workspaces of the code editor app by clicks: made with that type, opened, stopped; and what the form says where no editor is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sagewright.testing.chromium import Page, chromium, opened_by
from sagewright.testing.editor import stand_in
from sagewright.testing.names import unique
from sagewright.testing.server import TestServer
from sagewright.testing.studio import SLOW, Team
from sagewright.testing.waiting import until

from .calls import STUDIO
from .conftest import link
from .looks import Looks

pytestmark = [pytest.mark.xdist_group("browser"), pytest.mark.timeout(900)]


@asynccontextmanager
async def signed_in(folder: Path, editor: str) -> AsyncIterator[tuple[Page, Team]]:
    """A tab of a server whose setting names an editor."""
    with TestServer(folder / "data", {"code_editor": editor}) as server:
        async with chromium(folder / "profile") as page:
            await page.goto(link(server))
            await page.shows("Overview")
            yield page, Team(server)
            assert page.complaints == []


async def test_an_editor_is_made_opened_and_stopped(tmp_path: Path, pictures: Path) -> None:
    name = unique("code")
    async with signed_in(tmp_path, str(stand_in(tmp_path / "editors"))) as (studio, team):
        looks = Looks(studio, pictures)
        await studio.follow(f"{STUDIO}/workspaces/create")
        await studio.fill("Name", name)
        await studio.shows("The code-server or OpenVSCode Server of this machine")
        await studio.click("Code Editor", "input[type=radio]")
        await studio.shows("Runs before Code Editor does.")
        await looks.at("create-code-editor")
        await studio.click("Create the workspace", "button")
        await studio.shows(name, "Stopped")
        found = team.sagemaker.describe_space(DomainId=team.domain, SpaceName=name)
        assert found["SpaceSettings"]["AppType"] == "CodeEditor"
        await studio.click("Start Code Editor", "button")
        await studio.shows("Running", seconds=SLOW)
        await looks.at("code-editor")
        await studio.click("Open Code Editor", "button")
        async with opened_by(studio, "/codeeditor/default/") as editor:
            await editor.shows(f"/home/sagemaker-user no cookie {team.domain}/owner")
        await studio.follow(f"{STUDIO}/workspaces?q={name}")
        await studio.shows(name, "Code Editor", "Running", "Open Code Editor")
        await looks.at("workspaces-with-code-editor")
        await studio.click(f"Choose {name}", "input")
        await studio.click("Stop", "button", exact=True)
        await studio.shows(f"Stop the app of {name}?", "Terminals and what runs in them end.")
        await studio.click("Stop", '[role="dialog"] button', exact=True)
        await studio.shows("Stopped")
        app = {**team.where(name), "AppType": "CodeEditor"}
        until(lambda: team.sagemaker.describe_app(**app)["Status"] == "Deleted")
        assert looks.faults == {}


async def test_without_an_editor_the_form_says_what_is_missing(tmp_path: Path) -> None:
    async with signed_in(tmp_path, str(tmp_path / "nowhere")) as (studio, _):
        await studio.follow(f"{STUDIO}/workspaces/create")
        await studio.shows("Code Editor", f"The setting code_editor names {tmp_path / 'nowhere'}, which is no program here.")
