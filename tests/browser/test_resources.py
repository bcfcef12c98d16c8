"""The pages that the API's model draws: a kind of resource is found, listed, opened and deleted."""

from __future__ import annotations

from pathlib import Path

import pytest

from sagewright.testing.chromium import Page
from sagewright.testing.names import unique
from sagewright.testing.server import TestServer

from .conftest import AXE, STUDIO
from .test_pages import CHECK, colours

pytestmark = pytest.mark.xdist_group("browser")
EVIL = "<img src=x onerror=window.pwned=1>"


@pytest.mark.timeout(300)
async def test_a_kind_of_resource_is_listed_opened_and_deleted(studio: Page, server: TestServer, pictures: Path) -> None:
    sagemaker, name = server.client("sagemaker"), unique("group")
    sagemaker.create_model_package_group(ModelPackageGroupName=name, ModelPackageGroupDescription=EVIL)
    await studio.value(AXE.read_text() + ";true")
    faults = []

    async def look(page: str) -> None:
        await studio.quiet()
        for mode in ("light", "dark"):
            await colours(studio, mode)
            await studio.picture(pictures / f"{page}-{mode}.png")
            faults.extend(await studio.value(CHECK))

    await studio.follow(f"{STUDIO}/resources")
    await studio.shows("All resources", "Model package groups", "Domains")
    await look("resources")
    await studio.follow(f"{STUDIO}/resources/CompilationJob?q={unique('none')}")
    await studio.shows("Nothing matches")
    await studio.follow(f"{STUDIO}/resources/StageDevice")
    await studio.shows("say which", "Edge deployment plan name")
    await look("resources-of-one-thing")
    await studio.follow(f"{STUDIO}/resources")
    await studio.click("Model package groups", "a")
    await studio.shows(name, "Completed", EVIL)
    await look("resource-list")
    await studio.click(name, "a", exact=True)
    await studio.shows("What it is", EVIL)
    await look("resource")
    await studio.click("Code", '[role="tab"]', exact=True)
    await studio.shows("describe_model_package_group(", name)
    await studio.click("Belongs to it", '[role="tab"]')
    await studio.click("Model packages", "a", exact=True)
    await studio.shows(f"Model package group name: {name}", "There is no model package yet")
    await studio.follow(f"{STUDIO}/resources/ModelPackageGroup/{name}")
    await studio.click("Delete", "button", exact=True)
    await studio.click("Delete", '[role="dialog"] button', exact=True)
    await studio.shows("Deleted.")
    found = sagemaker.list_model_package_groups(NameContains=name)["ModelPackageGroupSummaryList"]
    assert found == []
    assert not await studio.value("window.pwned")
    assert faults == []
