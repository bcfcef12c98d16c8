"""Request bodies as arrays, in an image with NumPy."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from sagewright.agent.images import Catalogue

PROGRAM = """
import sys, numpy
from sagewright_container import content

numbers = ["%d.5,-1e3,nan,inf" % n for n in range(2000)]
cases = {
    "numbers": numbers, "windows": [line + "\\r" for line in numbers], "blank lines": ["", *numbers, "", ""], "one column": ["1.25"] * 3000,
    "one row": [",".join(["0.1"] * 3000)], "empty cells": [*numbers, "1,,3,4"], "quoted": [*numbers, '"1",2,3,4'],
    "words": [*numbers, "a,b,c,d"], "hash": [*numbers, "1,2,3,#4"],
}
for name, lines in cases.items():
    body = "\\n".join(lines).encode()
    assert len(body) > content.MANY
    fast, content.MANY = content.decode(body, "text/csv"), len(body)
    slow, content.MANY = content.decode(body, "text/csv"), 4096
    assert fast.shape == slow.shape and fast.dtype == slow.dtype, (name, fast.shape, slow.shape, fast.dtype, slow.dtype)
    assert numpy.array_equal(fast, slow, equal_nan=fast.dtype != object), name
try:
    content.decode(b"\\xff" * 5000, "text/csv")
except Exception as error:
    print(type(error).__name__, error)
"""


@pytest.mark.timeout(600)  # the first to need the environment builds it
def test_large_csv_is_read_as_small_csv_is(catalogue: Catalogue, toolkit: Path) -> None:
    image = catalogue.resolve("sagemaker-scikit-learn:1.2-1")
    catalogue.ensure(image)
    done = subprocess.run([image.python, "-c", PROGRAM], env={"PYTHONPATH": str(toolkit)}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("HttpError The body is not text/csv: "), done.stdout
