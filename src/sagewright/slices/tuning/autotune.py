"""Autotune: what a request leaves out is filled in before it is checked. Pure.

Ranges follow from a hint by rule; for built-in XGBoost they are those that Amazon's guide recommends.
"""

from __future__ import annotations

from typing import Any

TRIALS, PARALLEL, ATTEMPTS = 250, 4, 3
"""Limits that are set where the request has none."""

XGBOOST: dict[str, tuple[str, str, str, str]] = {
    "alpha": ("Continuous", "0", "1000", "Linear"),
    "colsample_bylevel": ("Continuous", "0.1", "1", "Linear"),
    "colsample_bynode": ("Continuous", "0.1", "1", "Linear"),
    "colsample_bytree": ("Continuous", "0.5", "1", "Linear"),
    "eta": ("Continuous", "0.1", "0.5", "Linear"),
    "gamma": ("Continuous", "0", "5", "Linear"),
    "lambda": ("Continuous", "0", "1000", "Linear"),
    "max_delta_step": ("Integer", "0", "10", "Linear"),
    "max_depth": ("Integer", "1", "10", "Linear"),
    "min_child_weight": ("Continuous", "0", "120", "Linear"),
    "num_round": ("Integer", "1", "4000", "Logarithmic"),
    "subsample": ("Continuous", "0.5", "1", "Linear"),
}


def enabled(doc: dict[str, Any]) -> bool:
    return bool(doc.get("Autotune", {}).get("Mode") == "Enabled")


def fill(doc: dict[str, Any], builtin: str) -> None:
    """Fill in ranges, limits, early stopping, retries and convergence where the request has none.

    Args:
        builtin: the built-in algorithm that the definition trains; empty if none.
    """
    config = doc["HyperParameterTuningJobConfig"]
    limits = config["ResourceLimits"]
    if "MaxNumberOfTrainingJobs" not in limits and config["Strategy"] != "Grid":
        limits["MaxNumberOfTrainingJobs"] = TRIALS
    limits.setdefault("MaxParallelTrainingJobs", PARALLEL)
    config.setdefault("TrainingJobEarlyStoppingType", "Off" if config["Strategy"] == "Hyperband" else "Auto")
    config.setdefault("TuningJobCompletionCriteria", {}).setdefault("ConvergenceDetected", {"CompleteOnConvergence": "Enabled"})
    several = doc.get("TrainingJobDefinitions")
    for definition in several or [doc["TrainingJobDefinition"]]:
        definition.setdefault("RetryStrategy", {"MaximumRetryAttempts": ATTEMPTS})
        holder, member = (definition, "HyperParameterRanges") if several else (config, "ParameterRanges")
        holder[member] = _ranges(holder.get(member, {}), set(definition.get("StaticHyperParameters", {})), builtin)


def _ranges(given: dict[str, Any], static: set[str], builtin: str) -> dict[str, Any]:
    found = {f"{kind}ParameterRanges": list(given.get(f"{kind}ParameterRanges", ())) for kind in ("Integer", "Continuous", "Categorical")}
    hints = {a["Name"]: a["ValueHint"] for a in given.get("AutoParameters", ())}
    known = XGBOOST if builtin == "xgboost" else {}
    named = {item["Name"] for items in found.values() for item in items} | static
    if not hints and not any(found.values()):
        hints = dict.fromkeys(known, "")
    for name, hint in hints.items():
        if name not in named:
            kind, item = recommended(name, known) or around(name, hint)
            found[f"{kind}ParameterRanges"].append(item)
    if "AutoParameters" in given:
        found["AutoParameters"] = given["AutoParameters"]
    return {member: items for member, items in found.items() if items}


def recommended(name: str, known: dict[str, tuple[str, str, str, str]]) -> tuple[str, dict[str, Any]] | None:
    if name not in known:
        return None
    kind, low, high, scale = known[name]
    return kind, {"Name": name, "MinValue": low, "MaxValue": high, "ScalingType": scale}


def around(name: str, hint: str) -> tuple[str, dict[str, Any]]:
    """(kind, range) around an example value: an order of magnitude to each side of a number, both sides of a switch."""
    text = hint.strip().strip('"')
    if text.lower() in ("true", "false"):
        return "Categorical", {"Name": name, "Values": [hint, _other(hint)]}
    try:
        number = int(text)
    except ValueError:
        pass
    else:
        low, high = (0, 10) if number == 0 else (max(1, number // 10), number * 10) if number > 0 else (number * 10, -1)
        return "Integer", {"Name": name, "MinValue": str(low), "MaxValue": str(high), "ScalingType": "Auto"}
    try:
        value = float(text)
    except ValueError:
        return "Categorical", {"Name": name, "Values": [hint]}
    if value == 0:
        ends = 0.0, 1.0
    elif value < 0:
        ends = value * 10, value / 10
    else:
        ends = value / 10, min(value * 10, 1.0) if value < 1 else value * 10
    return "Continuous", {"Name": name, "MinValue": repr(ends[0]), "MaxValue": repr(ends[1]), "ScalingType": "Auto"}


def _other(hint: str) -> str:
    for one, two in (("true", "false"), ("True", "False"), ("TRUE", "FALSE")):
        if one in hint:
            return hint.replace(one, two)
        if two in hint:
            return hint.replace(two, one)
    return hint
