from pathlib import Path

from sagewright.agent.reference import render

ROOT = Path(__file__).parents[3]


def test_the_page_is_what_the_declarations_say():
    assert (ROOT / "docs/reference/images.md").read_text() == render(ROOT / "images"), "run the command on top of the page"
