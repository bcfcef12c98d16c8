"""The price list that Studio's overview compares with, from the table of the inference recommender: ``python scripts/prices.py``."""

from __future__ import annotations

import json
from pathlib import Path

ROOT = Path(__file__).parent.parent
TABLE = ROOT / "src" / "sagewright" / "slices" / "recommender" / "prices.json"
PAGES = ROOT / "web" / "src" / "pages" / "home" / "prices.json"


def listed() -> dict[str, object]:
    """What the pages get: the figures, and where and when they are from. A server's own table (setting ``prices``) is not among them."""
    prices = dict(sorted(json.loads(TABLE.read_text())["prices"].items()))
    about = {"source": "https://aws.amazon.com/sagemaker/ai/pricing/", "what": "real-time inference, on demand, us-east-1", "year": 2024, "currency": "USD"}
    return {**about, "hourly": prices}


if __name__ == "__main__":
    PAGES.write_text(json.dumps(listed(), indent=1) + "\n")
