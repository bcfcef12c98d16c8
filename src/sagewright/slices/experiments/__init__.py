"""Experiments, trials, trial components and their metrics: see README.md for a workflow that runs."""

from __future__ import annotations

from ...resources.platform import Platform
from .capture import Capture
from .metrics import MetricOperations
from .operations import ExperimentOperations
from .resources import component, experiment, trial
from .searched import SearchedComponents, SearchedTrials
from .series import Series


def install(platform: Platform) -> None:
    """Bind the operations, and follow the jobs."""
    experiments, trials, components = experiment.install(platform), trial.install(platform), component.install(platform)
    series = Series(platform)
    ExperimentOperations(experiments, trials, components, series).install()
    MetricOperations(components, series).install()
    Capture(experiments, trials, components, series).install()
    platform.searched["TrialComponent"] = SearchedComponents(components, series)
    platform.searched["Trial"] = SearchedTrials(trials, components)
