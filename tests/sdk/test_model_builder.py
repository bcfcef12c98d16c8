"""ModelBuilder of both SDKs: the user's own InferenceSpec, and model objects as they are."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from sagewright.bootstrap.agent import images
from sagewright.settings import Settings
from sagewright.testing.sdk import CLIENTS, run
from sagewright.testing.server import TestServer

EXAMPLES = Path(__file__).parents[2] / "examples" / "model_builder"
SCRIPT = Path(__file__).parent / "scripts" / "model_builder.py"
pytestmark = [pytest.mark.xdist_group("sdk"), pytest.mark.timeout(900)]


def test_in_this_process_and_behind_an_endpoint_v3(server: TestServer) -> None:
    found = run(server, "v3", EXAMPLES / "v3.py")
    assert found == {"here": [320_000, 160_000], "served": [320_000, 160_000], "program": "inference.py"}


def test_behind_an_endpoint_v2(server: TestServer) -> None:
    assert run(server, "v2", EXAMPLES / "v2.py") == {"served": [320_000, 160_000]}


@pytest.mark.parametrize("sdk", ["v2", "v3"])
def test_model_objects(server: TestServer, sdk: str) -> None:
    """XGBoost, scikit-learn and PyTorch from the images' environments, beside the SDK's own."""
    catalogue = images(Settings.load(environ={**os.environ, "SAGEWRIGHT_DATA": str(server.data)}))
    folders = []
    for image in ("pytorch-inference:2.13.0-cpu-py311", "sagemaker-xgboost:3.0-5"):
        found = catalogue.resolve(image)
        catalogue.ensure(found)
        folders.append(place(found.python))
    if {Path(folder).parts[-2] for folder in folders} != {Path(place(CLIENTS / sdk / "bin" / "python")).parts[-2]}:
        pytest.skip("the SDK's Python is not the images': what is compiled for one does not load in the other")
    answers = run(server, sdk, SCRIPT, sdk, *folders)
    frameworks = ["xgboost", "pytorch", *(["sklearn"] if sdk == "v3" else [])]
    here = {"here": [2.0, 5.0]} if sdk == "v2" else {}
    assert answers == {**dict.fromkeys(frameworks, True), "translated": [-2.0, -5.0], **here}


def place(python: Path) -> str:
    """Where an interpreter's packages lie."""
    said = subprocess.run(
        [python, "-c", "import json, sysconfig; print(json.dumps(sysconfig.get_path('purelib')))"], capture_output=True, text=True, check=True
    )
    return str(json.loads(said.stdout))
