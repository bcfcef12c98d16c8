"""Inference components by the SDKs: models that share an endpoint, scaled and updated."""

from __future__ import annotations

from pathlib import Path

import pytest

from sagewright.testing.sdk import run
from sagewright.testing.server import TestServer

EXAMPLE = Path(__file__).parents[2] / "examples" / "inference_components"
SCRIPTS = Path(__file__).parent / "scripts"
pytestmark = [pytest.mark.xdist_group("sdk-hosting"), pytest.mark.timeout(600)]


@pytest.mark.parametrize(("sdk", "scaled", "again"), [("v2", [1, 1], [704_000]), ("v3", [2, 2], [804_000])])
def test_models_share_an_endpoint(server: TestServer, sdk: str, scaled: list[int], again: list[int]) -> None:
    found = run(server, sdk, EXAMPLE / f"{sdk}.py")
    assert found["prices"] == [[320_000], [704_000]]
    assert found["instances"] == 2
    assert found["scaled"] == scaled
    assert found["again"] == again


def test_model_builder_deploys_to_a_component(server: TestServer) -> None:
    assert run(server, "v3", SCRIPTS / "components_v3.py") == {"found": "42.0"}
