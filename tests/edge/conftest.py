"""What the tests of the edge share: a Python with the agent's two dependencies, which is the compiler's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sagewright.agent.images import Catalogue

REPOSITORY = Path(__file__).parents[2]
AGENT = REPOSITORY / "edge" / "src"


@pytest.fixture(scope="session")
def edge_python() -> str:
    """An interpreter that has onnxruntime and numpy; AGENT belongs on its path."""
    catalogue = Catalogue([REPOSITORY / "images"], Path(os.environ["SAGEWRIGHT_ENVIRONMENTS"]))
    image = catalogue.resolve("sagewright-neo:1")
    catalogue.ensure(image)
    return str(image.python)
