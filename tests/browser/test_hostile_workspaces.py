"""Hostile text where people work: names, scripts and causes of workspaces in Studio, and an untrusted notebook in JupyterLab."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import urlsplit

import pytest

from sagewright.testing.chromium import Page, opened_by
from sagewright.testing.names import unique
from sagewright.testing.server import TestServer
from sagewright.testing.studio import BASE, SLOW, Team
from sagewright.testing.waiting import until

from .calls import STUDIO
from .hostile import ALL, EVERY, FRAME, IMG, LINK, PROTOTYPE, SCRIPT, SHORT, SVG
from .test_security import harmless

pytestmark = pytest.mark.xdist_group("browser")
TAGS = [{"Key": PROTOTYPE, "Value": "javascript:window.pwned=1"}, {"Key": "constructor", "Value": "toString"}]
START = "#!/bin/bash\n" + "\n".join(f"cat <<'EVIL'\n{text}\nEVIL" for text in EVERY) + "\ncat >&2 <<'EVIL'\n" + ALL + "\nEVIL\nexit 1\n"
"""Says all of it, and fails."""


def packed(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def instance(team: Team) -> str:
    """A notebook instance whose script fails; its name, which is the script's, too."""
    name = unique("hostile")
    team.sagemaker.create_notebook_instance_lifecycle_config(NotebookInstanceLifecycleConfigName=name, OnStart=[{"Content": packed(START)}])
    team.sagemaker.create_notebook_instance(
        NotebookInstanceName=name, InstanceType="ml.t3.medium", RoleArn=team.role, LifecycleConfigName=name, Tags=TAGS,
    )
    return name


def failing(team: Team, owner: str) -> tuple[str, str]:
    """A space of a hostile name to show, whose start script has failed; its name and the script's."""
    script, space = unique("hostile"), unique("hostile")
    made = team.sagemaker.create_studio_lifecycle_config(
        StudioLifecycleConfigName=script, StudioLifecycleConfigAppType="JupyterLab", StudioLifecycleConfigContent=packed(START), Tags=TAGS,
    )
    spec = {"InstanceType": "ml.t3.medium", "LifecycleConfigArn": made["StudioLifecycleConfigArn"]}
    team.sagemaker.create_space(
        DomainId=team.domain, SpaceName=space, SpaceDisplayName=f"{IMG}{SVG}"[:64], Tags=TAGS,
        SpaceSettings={"AppType": "JupyterLab", "JupyterLabAppSettings": {"DefaultResourceSpec": spec}},
        OwnershipSettings={"OwnerUserProfileName": owner}, SpaceSharingSettings={"SharingType": "Private"},
    )
    until(lambda: team.sagemaker.describe_space(DomainId=team.domain, SpaceName=space)["Status"] == "InService")
    return space, script


@pytest.mark.timeout(900)
async def test_hostile_text_in_workspaces_is_text(studio: Page, server: TestServer) -> None:
    team = Team(server)
    book, (space, script), profile = instance(team), failing(team, "owner"), team.profile()
    assert team.start(space)["Status"] == "Failed"
    until(lambda: team.sagemaker.describe_notebook_instance(NotebookInstanceName=book)["NotebookInstanceStatus"] == "Failed", SLOW)
    where, name = f"/workspaces/{space}", f"{IMG}{SVG}"[:64]
    pages: dict[str, tuple[str, ...]] = {
        f"/workspaces?q={space}": (name,), where: ("Failed",), f"{where}?tab=log": (IMG, SCRIPT), f"{where}?tab=code": (IMG,), f"{where}?tab=document": (IMG,),
        f"/resources/Space/{space}": (), f"/start-scripts/{script}": (), f"/start-scripts/{script}?tab=script": (IMG, SCRIPT, FRAME, LINK),
        f"/start-scripts/{script}?tab=code": (), f"/start-scripts?q={script}&selected={script}": (script,), f"/people/{profile}": (profile,),
        f"/notebook-instances/{book}": ("Failed",), f"/notebook-instances/{book}?tab=log": (IMG, SCRIPT), f"/notebook-instances/{book}?tab=document": (),
        f"/notebook-instances?q={book}": (book,), f"/resources/NotebookInstanceLifecycleConfig/{book}": (), f"/resources/App?q={space}": (),
    }
    for path, texts in pages.items():
        await studio.follow(STUDIO + path)
        await harmless(studio, path, *texts)
    # forms that are given it, and the code that they show of it
    await studio.follow(f"{STUDIO}/start-scripts/create")
    await studio.fill("Script", START, "textarea")
    await harmless(studio, "a form", IMG)
    await studio.follow(f"{STUDIO}/workspaces/create")
    await studio.shows("What it gets")
    await studio.fill("Name", SHORT)
    await harmless(studio, "a form", SHORT)
    team.sagemaker.delete_notebook_instance(NotebookInstanceName=book)


def output(kind: str, data: str) -> dict[str, Any]:
    return {"output_type": "display_data", "metadata": {}, "data": {kind: data, "text/plain": f"plain of {kind}"}}


DRAWING = f'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9" onload="window.pwned=1"><script>window.pwned=1</script><a href="{LINK}"><text>x</text></a></svg>'
OUTPUTS = [
    *(output("text/html", f"<b class=evil>shown</b>{text}") for text in EVERY),
    output("text/html", "<script>window.pwned=1</script><style>body{display:none}</style><form action=javascript:window.pwned=1><button>x</button></form>"),
    output("image/svg+xml", DRAWING), output("application/javascript", "window.pwned=1"), output("text/markdown", f"{ALL}\n[link]({LINK})"),
    output("text/latex", r"$\href{javascript:window.pwned=1}{x}$"), output("application/vnd.jupyter.widget-view+json", ALL),
    {"output_type": "error", "ename": IMG, "evalue": SVG, "traceback": [ALL, SCRIPT]}, {"output_type": "stream", "name": "stdout", "text": ALL},
]
OWN = """from IPython.display import HTML
HTML("<b>ran</b><script>window.ran = [document.cookie, localStorage.getItem('studio'), String(window.opener), window.parent === window]</script>")"""


def notebook() -> dict[str, Any]:
    cell = {"cell_type": "code", "execution_count": 1, "metadata": {"trusted": True}, "source": "1"}
    cells = [{**cell, "id": f"cell-{i}", "outputs": [one]} for i, one in enumerate(OUTPUTS)]
    text = {"cell_type": "markdown", "id": "text", "metadata": {}, "source": f"# The end\n\n{ALL}\n\n[link]({LINK})"}
    kernel = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": kernel, "title": ALL}, "cells": [*cells, text]}


RUNNABLE = """[...document.querySelectorAll('.jp-Notebook *')].filter((e) => [...e.attributes].some((a) => /^on/i.test(a.name))
  || e.matches('sw-evil, script, object, embed, base, [srcdoc], .jp-OutputArea style')
  || ['href', 'src', 'action', 'formaction'].some((a) => /^[\\s\\u0000-\\u001f]*(javascript|vbscript):/i.test(e.getAttribute(a) ?? ''))
).map((e) => e.outerHTML.slice(0, 200))"""


@pytest.mark.timeout(900)
async def test_an_untrusted_notebook_runs_nothing(studio: Page, server: TestServer) -> None:
    """What it holds is shown without its scripts; and what its owner runs on purpose stays in the workspace's origin."""
    team = Team(server)
    owner = team.space("owner")
    assert team.start(owner)["Status"] == "InService"
    # as an upload is: a file, whatever it says of itself; only what JupyterLab itself saves is signed as trusted
    given = {"type": "file", "format": "text", "content": json.dumps(notebook())}
    browser = team.browser(owner, "owner")
    browser.ask("GET", f"{BASE}lab")  # its cookie against forged requests
    answer = browser.ask("PUT", f"{BASE}api/contents/evil.ipynb", given, Content_Type="application/json", X_XSRFToken=browser.cookies.get("_xsrf", ""))
    assert answer.status == 201, answer.body
    await studio.value("localStorage.setItem('studio', 'secret'), document.cookie = 'plain=of-studio; path=/', true")
    await studio.follow(f"{STUDIO}/workspaces/{owner}")
    await studio.click("Open JupyterLab", "button")
    async with opened_by(studio, f"{BASE}lab") as lab:
        await lab.until("document.querySelector('.jp-LauncherCard')", SLOW)
        there = await lab.value("location.origin")
        lab.complaints.clear()
        await lab.goto(f"{there}{BASE}lab/tree/evil.ipynb", "document.querySelector('.jp-Notebook')", SLOW)
        await lab.shows("The end", "shown", "| Idle", seconds=SLOW)
        assert await lab.value("window.pwned") is None
        assert await lab.value("[...document.querySelectorAll('iframe')].map((f) => { try { return f.contentWindow.pwned } catch { return undefined } }).filter(Boolean)") == []
        assert await lab.value(RUNNABLE) == []
        assert [said for said in lab.complaints if "policy" in said.lower()] == []
        # a cell that its owner runs may have scripts: they see nothing of Studio's
        await lab.value("document.querySelector('.jp-Notebook .jp-CodeCell .cm-content').focus()")
        await lab.press("Control+a")
        await lab.write(OWN)
        await lab.press("Shift+Enter")
        await lab.until("window.ran", SLOW)
        cookie, stored, opener, alone = await lab.value("window.ran")
        assert ("of-studio" in cookie or "sagewright-studio" in cookie, stored, opener, alone) == (False, None, "null", True)
        assert there != await studio.value("location.origin")
        assert urlsplit(there).hostname != urlsplit(str(await studio.value("location.origin"))).hostname
    assert await studio.value("[window.pwned ?? null, window.ran ?? null, localStorage.getItem('studio')]") == [None, None, "secret"]
    await studio.value("localStorage.removeItem('studio'), true")
    team.sagemaker.delete_app(**team.where(owner))
