"""Two people at one notebook of a shared space, each in a browser of their own: what one does, the other sees."""

from __future__ import annotations

from pathlib import Path

import pytest

from sagewright.testing.chromium import Page, chromium
from sagewright.testing.server import TestServer
from sagewright.testing.studio import BASE, SLOW, Team

pytestmark = pytest.mark.xdist_group("browser")
NOTEBOOK = {
    "cells": [{"cell_type": "code", "id": "one", "execution_count": None, "metadata": {}, "outputs": [], "source": "# ours\n"}],
    "metadata": {"kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}},
    "nbformat": 4, "nbformat_minor": 5,
}
CELL = "document.querySelector('.jp-Notebook .jp-CodeCell .cm-content[contenteditable=true]')"
OUTPUT = "document.querySelector('.jp-Notebook .jp-CodeCell .jp-OutputArea-output')?.innerText"


async def open_notebook(page: Page, url: str) -> None:
    """The notebook, once what is in it has come from the server and a kernel stands by."""
    await page.goto(url, f"{CELL}?.innerText.includes('ours')", SLOW)
    await page.until("document.querySelector('.jp-Notebook-ExecutionIndicator')?.dataset.status === 'idle'", SLOW)


async def write(page: Page, text: str) -> None:
    """At the end of the first cell."""
    await page.value(f"{CELL}.focus()")
    await page.press("Control+End")
    await page.write(text)


@pytest.mark.timeout(600)
async def test_two_people_work_on_one_notebook(server: TestServer, tmp_path: Path, pictures: Path) -> None:
    team = Team(server)
    ada, bob = team.profile(), team.profile()
    space = team.space(ada, "Shared")
    assert team.start(space)["Status"] == "InService"
    made = team.browser(space, ada).ask("PUT", f"{BASE}api/contents/ours.ipynb", {"type": "notebook", "format": "json", "content": NOTEBOOK})
    assert made.status == 201
    async with chromium(tmp_path / "ada") as hers, chromium(tmp_path / "bob") as his:
        await open_notebook(hers, team.url(space, ada, "ours.ipynb"))
        await open_notebook(his, team.url(space, bob, "ours.ipynb"))
        await write(hers, "who = 'ada'")
        await his.until(f"{CELL}.innerText.includes(\"who = 'ada'\")")
        # both at once: nobody's words are lost, and both end with the same text
        await write(his, "\nprint(who, 'and', 'bob')")
        await hers.until(f"{CELL}.innerText.includes(\"print(who, 'and', 'bob')\")")
        await his.press("Shift+Enter")
        await his.until(f"{OUTPUT}?.includes('ada and bob')")
        await hers.until(f"{OUTPUT}?.includes('ada and bob')")
        assert await hers.value(f"{CELL}.innerText") == await his.value(f"{CELL}.innerText")
        await hers.picture(pictures / "together-ada.png")
        await his.picture(pictures / "together-bob.png")
        for page in (hers, his):
            assert "official Jupyter news" not in await page.text()
            assert not [said for said in page.complaints if "policy" in said.lower()]
    team.sagemaker.delete_app(**team.where(space))
