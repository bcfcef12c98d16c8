"""What an instance costs an hour: a table in a file, which the operator may replace by the setting ``prices``."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

TABLE = Path(__file__).with_name("prices.json")


class BadTable(ValueError):
    """The file cannot be used; the message says why."""


def load(path: str) -> dict[str, float]:
    """Instance type → price an hour. ``path`` empty: the table that comes along. Raises BadTable."""
    file = Path(path) if path else TABLE
    try:
        return read(json.loads(file.read_text()))
    except (OSError, ValueError) as error:
        raise BadTable(f"The price table {file} cannot be used: {error}") from None


def read(table: Any) -> dict[str, float]:
    """The prices of a table, ``{"prices": {instance type: price}}``. Raises ValueError."""
    prices = table.get("prices") if isinstance(table, dict) else None
    if not isinstance(prices, dict):
        raise ValueError('it must be {"prices": {"<instance type>": <price an hour>}}')
    for name, price in prices.items():
        if isinstance(price, bool) or not isinstance(price, (int, float)) or not math.isfinite(price) or price < 0:
            raise ValueError(f"the price of {name} must be a number, not {price!r}")
    return {name: float(price) for name, price in prices.items()}
