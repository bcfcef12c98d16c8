"""The pages that the API's model draws: a kind of resource is found, listed, opened and deleted."""

from __future__ import annotations

import pytest

from sagewright.testing.chromium import Page
from sagewright.testing.names import unique
from sagewright.testing.server import TestServer

from .calls import STUDIO
from .looks import Looks

pytestmark = pytest.mark.xdist_group("browser")
EVIL = "<img src=x onerror=window.pwned=1>"


@pytest.mark.timeout(300)
async def test_a_kind_of_resource_is_listed_opened_and_deleted(studio: Page, server: TestServer, looks: Looks) -> None:
    sagemaker, name = server.client("sagemaker"), unique("group")
    sagemaker.create_model_package_group(ModelPackageGroupName=name, ModelPackageGroupDescription=EVIL)
    await studio.follow(f"{STUDIO}/resources")
    await studio.shows("All resources", "Model package groups", "Domains")
    await looks.at("resources")
    await studio.follow(f"{STUDIO}/resources/CompilationJob?q={unique('none')}")
    await studio.shows("Nothing matches")
    await studio.follow(f"{STUDIO}/resources/StageDevice")
    await studio.shows("say which", "Edge deployment plan name")
    await looks.at("resources-of-one-thing")
    await studio.follow(f"{STUDIO}/resources")
    await studio.click("Model package groups", "a")
    await studio.shows(name, "Completed", EVIL)
    await looks.at("resource-list")
    await studio.click(name, "a", exact=True)
    await studio.shows("What it is", EVIL)
    await looks.at("resource")
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
    assert looks.faults == {}
