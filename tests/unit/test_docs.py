"""The pages say what the code says, and what they link to exists."""

from __future__ import annotations

import importlib.util
import re
import shlex
from dataclasses import fields
from pathlib import Path
from types import ModuleType

import pytest

from sagewright import cli
from sagewright.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "src").rglob("README.md")])
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
SHELL = re.compile(r"```sh\n(.*?)```", re.DOTALL)


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("pages", ROOT / "scripts" / "pages.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["settings.md", "cli.md", "coverage.md"])
def test_generated_pages_are_current(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    assert (ROOT / "docs" / "reference" / name).read_text() == generator().PAGES[name](), "run `make docs`"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text()):
        if target.startswith(("http:", "https:", "mailto:", "#")):
            continue
        path = (page.parent / target.split("#")[0]).resolve()
        assert path.exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_shown_commands_exist(page: Path) -> None:
    """Every `sagewright ...` line of a shell block is one that the parser takes."""
    for block in SHELL.findall(page.read_text()):
        for line in block.splitlines():
            for found in re.findall(r"^sagewright ([^#|]+)|\$\(sagewright ([^)]+)\)", line.strip()):
                assert _parses(shlex.split("".join(found))), f"{page.name}: sagewright {''.join(found)}"


def _parses(argv: list[str]) -> bool:
    try:
        cli.parser().parse_args(argv)
    except SystemExit as end:
        return end.code == 0
    return True


def test_every_setting_says_what_it_means() -> None:
    for field in fields(Settings):
        assert len(field.metadata.get("help", "")) > 10, field.name


def test_every_page_of_docs_is_reached_from_the_readme() -> None:
    seen, todo = set(), [ROOT / "README.md"]
    while todo:
        page = todo.pop()
        if page in seen or not page.exists():
            continue
        seen.add(page)
        if page.is_dir():
            todo += page.glob("*.md")
            continue
        if page.suffix == ".md":
            links = (t.split("#")[0] for t in LINK.findall(page.read_text()) if "://" not in t)
            todo += [(page.parent / link).resolve() for link in links if link]
    assert set((ROOT / "docs").rglob("*.md")) <= seen


def test_decisions_are_numbered_without_gaps_or_doubles() -> None:
    numbers = [int(p.name[:3]) for p in sorted((ROOT / "docs" / "decisions").glob("*.md"))]
    assert len(numbers) == len(set(numbers))
    assert numbers[0] == 1
