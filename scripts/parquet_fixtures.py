"""Write tests/browser/parquet/*.parquet: the same rows by each codec. Needs a Python with pyarrow, such as one of an image's environment."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa  # type: ignore[import-not-found]
import pyarrow.parquet as pq  # type: ignore[import-not-found]

FOLDER = Path(__file__).parent.parent / "tests" / "browser" / "parquet"
CODECS = ("none", "snappy", "gzip", "zstd", "brotli", "lz4")
COUNT = 130
EVIL = "<img src=x onerror=window.pwned=1>"


def rows() -> pa.Table:
    numbers = range(COUNT)
    return pa.table({
        "id": pa.array([2**53 + n for n in numbers], pa.int64()),
        "price": [n * 1.25 for n in numbers],
        "town": [None if n % 7 == 6 else EVIL if n == 1 else ("Bern", "Basel", "Chur")[n % 3] for n in numbers],
        "sold": [n % 2 == 0 for n in numbers],
        "day": [date(2026, 1, 1 + n % 28) for n in numbers],
        "at": [datetime(2026, 1, 1, n % 24, tzinfo=UTC) for n in numbers],
        "rooms": [[n, n + 1] for n in numbers],
    })


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for codec in CODECS:
        pq.write_table(rows(), FOLDER / f"{codec}.parquet", compression=codec, row_group_size=100, store_schema=False)


if __name__ == "__main__":
    main()
