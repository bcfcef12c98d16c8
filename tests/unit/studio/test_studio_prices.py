"""The price list of the overview is what its script makes of the recommender's table."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_the_pages_have_the_list_that_the_script_makes() -> None:
    made = runpy.run_path(str(ROOT / "scripts" / "prices.py"))
    listed = json.loads(made["PAGES"].read_text())
    assert listed == made["listed"](), "python scripts/prices.py writes it anew"
    assert listed["hourly"]["ml.m5.large"] > 0
    assert str(listed["year"]) in json.loads(made["TABLE"].read_text())["about"]
    assert listed["source"] in json.loads(made["TABLE"].read_text())["about"]
