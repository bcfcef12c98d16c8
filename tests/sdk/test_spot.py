"""A spot job that loses its capacity twice, by the SDK."""

from __future__ import annotations

from pathlib import Path

import pytest

from sagewright.testing.backends import agree
from sagewright.testing.sdk import run
from sagewright.testing.server import TestServer

EXAMPLES = Path(__file__).parents[2] / "examples" / "xgboost_spot"
pytestmark = [pytest.mark.xdist_group("sdk"), pytest.mark.timeout(600)]


@pytest.mark.parametrize("sdk", ["v2", "v3"])
def test_two_interruptions_do_not_change_the_model(server: TestServer, tmp_path_factory: pytest.TempPathFactory, sdk: str) -> None:
    found = run(server, sdk, EXAMPLES / f"{sdk}.py", timeout=580)
    agree(tmp_path_factory, "spot", server, sdk, {"model": found["model"], "rmse": found["rmse"]})
    once = ["Starting", "Downloading", "Training"]
    assert found["statuses"] == [*once, "Interrupted", *once, "Interrupted", *once, "Uploading", "Completed"]
    assert found["same"]
