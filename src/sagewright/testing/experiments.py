"""Experiments, trials and components, for tests that fill them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from .names import unique


def experiment_and_trial(sm: Any) -> tuple[str, str]:
    """The names of an experiment and of a trial in it."""
    experiment, trial = unique("Exp"), unique("Trial")
    sm.create_experiment(ExperimentName=experiment, Description="d", Tags=[{"Key": "team", "Value": "blue"}])
    sm.create_trial(ExperimentName=experiment, TrialName=trial)
    return experiment, trial


def component(sm: Any, trial: str | None = None, **more: Any) -> str:
    """The name of a component, of the trial if there is one."""
    name = unique("tc")
    sm.create_trial_component(TrialComponentName=name, **more)
    if trial:
        sm.associate_trial_component(TrialComponentName=name, TrialName=trial)
    return name


def refused(call: Callable[..., Any], **params: Any) -> tuple[str, str]:
    """The code and the message of an error that a call has to have."""
    with pytest.raises(ClientError) as caught:
        call(**params)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]
