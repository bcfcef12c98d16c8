"""GetScalingConfigurationRecommendation: how an endpoint should scale that was benchmarked. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

TARGET = 50
"""Per cent of a core's time, unless the caller says otherwise."""
COOLDOWN = 300
"""Seconds in which what was scaled shows; AWS's default for SageMaker variants."""
MOST = 0.8
"""The share of the measured peak that an instance gets at most: at the peak itself requests wait already."""


def per_instance(measured: Mapping[str, Any], cores: int, target: int) -> int:
    """Invocations a minute at which an instance's cores are as busy as the target says.

    The use of the cores grows with the invocations up to what was measured at their peak.
    """
    most: int = measured["MaxInvocations"]
    busy = max(1.0, measured.get("CpuUtilization", 100.0 * cores) / cores)
    return max(1, int(most * min(MOST, target / busy)))


def recommend(
    measured: Mapping[str, Any], cores: int, target: int, objective: Mapping[str, int], count: int
) -> tuple[dict[str, Any], dict[str, Any]]:
    """(Metric, DynamicScalingConfiguration).

    Args:
        measured: RecommendationMetrics.
        cores: of the instance.
        target: per cent of a core's time at which an instance has enough to do.
        objective: ScalingPolicyObjective; what is missing follows from what was measured.
        count: instances that the recommendation starts with.
    """
    enough = per_instance(measured, cores, target)
    low = max(1, math.ceil(objective["MinInvocationsPerMinute"] / enough)) if "MinInvocationsPerMinute" in objective else count
    high = math.ceil(objective.get("MaxInvocationsPerMinute", measured["MaxInvocations"] * count) / enough)
    policy = {
        "TargetTracking": {
            "MetricSpecification": {"Predefined": {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"}},
            "TargetValue": float(enough),
        }
    }
    metric = {"InvocationsPerInstance": enough, "ModelLatency": measured["ModelLatency"]}
    return metric, {
        "MinCapacity": low, "MaxCapacity": max(low, high), "ScaleInCooldown": COOLDOWN, "ScaleOutCooldown": COOLDOWN,
        "ScalingPolicies": [policy],
    }
