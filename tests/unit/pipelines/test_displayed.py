"""What the trial components of steps are called."""

from __future__ import annotations

import re

import pytest

from sagewright.slices.pipelines.making import displayed

PATTERN = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,119}")
"""CreateTrainingJob's TrialComponentDisplayName."""


@pytest.mark.parametrize(("given", "shown"), [
    ("__main__.prepare", "main-prepare"), ("Train", "Train"), ("train-the_model ", "train-the-model"), ("Größe 2", "Gr-e-2"), ("__", "step"),
    ("x" * 119 + "--y", "x" * 119), ("", "step"),
])
def test_a_display_name_is_one_that_a_component_may_have(given: str, shown: str) -> None:
    assert displayed(given) == shown
    assert PATTERN.fullmatch(shown)
