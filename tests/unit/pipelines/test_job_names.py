"""What the jobs of steps are called."""

from __future__ import annotations

import re

import pytest

from sagewright.slices.pipelines.kinds import KINDS, Made

EXECUTION = "arn:aws:sagemaker:us-east-1:123456789012:pipeline/p/execution/abcdefghijkl"


def name(type_: str, step: str, attempt: str = "0/1", own: str = "") -> str:
    kind = KINDS[type_]
    assert isinstance(kind, Made)
    found = kind.job_name(EXECUTION, step, attempt, own)
    assert re.fullmatch(r"[a-zA-Z0-9](-*[a-zA-Z0-9])*", found)
    assert len(found) <= kind.longest
    return found


@pytest.mark.parametrize(("type_", "step", "own", "begins"), [
    ("Training", "train", "", "pipelines-abcdefghijkl-train-"),
    ("Training", "train_the_model", "", "pipelines-abcdefghijkl-train-the-model-"),
    ("Training", "x" * 64, "", "pipelines-abcdefghijkl-xxxxxxxx"),
    ("Training", "train", "mine", "mine-abcdefghijkl-"),
    # what SDK v2 leaves in a notebook's step, and one that is too long
    ("Training", "report", "nb-ipynb-2026-11-22-13-24-38-044", "nb-ipynb-2026-11-22-13-24-38-044-abcdefghijkl-"),
    ("Training", "report", "a" * 38 + "-" + "b" * 20, "a" * 38 + "-abcdefghijkl-"),
    ("Tuning", "tune", "", "abcdefghijkl-tune-"),
])
def test_a_name_tells_execution_and_step(type_: str, step: str, own: str, begins: str) -> None:
    assert name(type_, step, own=own).startswith(begins)


def test_every_attempt_has_a_name_of_its_own_that_stays() -> None:
    assert name("Training", "train", "0/1") == name("Training", "train", "0/1")
    assert len({name("Training", "train", attempt) for attempt in ("0/1", "0/2", "1/1")}) == 3


def test_an_endpoint_keeps_the_name_that_it_is_given() -> None:
    assert name("Endpoint", "deploy", own="prices") == "prices"
    assert name("Endpoint", "deploy").startswith("pipelines-abcdefghijkl-deploy-")
