"""Every hyperparameter of the built-in algorithm: its type, its range, and what it needs of others."""

import ast
import math
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Sequence

from sagewright_container.errors import CustomerError

OBJECTIVES = (
    "binary:logistic", "binary:logitraw", "binary:hinge", "count:poisson", "multi:softmax", "multi:softprob",
    "rank:pairwise", "rank:ndcg", "rank:map", "reg:linear", "reg:squarederror", "reg:logistic", "reg:gamma",
    "reg:pseudohubererror", "reg:squaredlogerror", "reg:absoluteerror", "reg:tweedie", "survival:aft", "survival:cox",
)  # fmt: skip
MAXIMIZED = frozenset(
    [
        "accuracy", "auc", "aucpr", "balanced_accuracy", "f1", "f1_binary", "f1_macro", "map", "ndcg", "precision",
        "r2", "recall", "precision_macro", "precision_micro", "recall_macro", "recall_micro",
    ]
)  # fmt: skip
MINIMIZED = frozenset(
    [
        "aft-nloglik", "cox-nloglik", "error", "gamma-deviance", "gamma-nloglik", "interval-regression-accuracy",
        "logloss", "mae", "mape", "merror", "mlogloss", "mphe", "mse", "poisson-nloglik", "rmse", "rmsle",
        "tweedie-nloglik",
    ]
)  # fmt: skip
THRESHOLDED = ("error", "ndcg", "map", "tweedie-nloglik")
"""Metrics that take ``@`` and a number."""
TREE_UPDATERS = (
    "grow_colmaker", "distcol", "grow_histmaker", "grow_local_histmaker", "grow_skmaker", "grow_quantile_histmaker",
    "grow_gpu_hist", "sync", "refresh", "prune",
)  # fmt: skip
LINEAR_UPDATERS = ("shotgun", "coord_descent")
ALIASES = {"learning_rate": "eta", "min_split_loss": "gamma", "reg_lambda": "lambda", "reg_alpha": "alpha"}

Check = Callable[[str], Any]


class Range(NamedTuple):
    """An interval; ``low_open`` and ``high_open`` leave the bound itself out."""

    low: float = -math.inf
    high: float = math.inf
    low_open: bool = False
    high_open: bool = False

    def holds(self, value: float) -> bool:
        above = value > self.low if self.low_open else value >= self.low
        below = value < self.high if self.high_open else value <= self.high
        return above and below

    def __str__(self) -> str:
        left = "(" if self.low_open or self.low == -math.inf else "["
        right = ")" if self.high_open or self.high == math.inf else "]"
        return "%s%s, %s%s" % (left, _bound(self.low), _bound(self.high), right)


def _bound(value: float) -> str:
    return {math.inf: "+inf", -math.inf: "-inf"}.get(value, "%g" % value)


def _integer(low: float = -math.inf, high: float = math.inf) -> Check:
    return _number(int, "an integer", Range(low, high))


def _real(
    low: float = -math.inf, high: float = math.inf, low_open: bool = False, high_open: bool = False
) -> Check:
    return _number(float, "a number", Range(low, high, low_open, high_open))


def _number(kind: Callable[[str], float], what: str, allowed: Range) -> Check:
    def check(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            raise ValueError("%r is not %s" % (text, what)) from None
        if not allowed.holds(value):
            raise ValueError("%s is not in %s" % (text, allowed))
        return value

    return check


def _one_of(*allowed: str) -> Check:
    def check(text: str) -> str:
        if text not in allowed:
            raise ValueError("%r is not one of %s" % (text, ", ".join(allowed)))
        return text

    return check


def _flag(text: str) -> int:
    return int(_one_of("0", "1")(text))


def _truth(text: str) -> bool:
    return bool(_one_of("true", "false")(text.lower()) == "true")


def _words(text: str) -> List[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _updaters(text: str) -> str:
    for word in _words(text):
        _one_of(*TREE_UPDATERS, *LINEAR_UPDATERS)(word)
    return ",".join(_words(text))


def _metrics(text: str) -> List[str]:
    for word in _words(text):
        name, at, threshold = word.partition("@")
        if at and name not in THRESHOLDED:
            raise ValueError("metric %r takes no '@'" % name)
        if name not in MAXIMIZED | MINIMIZED:
            raise ValueError("%r is not one of %s" % (word, ", ".join(sorted(MAXIMIZED | MINIMIZED))))
        if at:
            try:
                float(threshold.rstrip("-"))
            except ValueError:
                raise ValueError("%r has no number after '@'" % word) from None
    return _words(text)


def _monotone(text: str) -> str:
    found = _literal(text, "a tuple such as (1,0,-1)")
    found = found if isinstance(found, tuple) else (found,)
    if not all(isinstance(item, int) and item in (-1, 0, 1) for item in found):
        raise ValueError("%r is not a tuple of -1, 0 and 1" % text)
    return "(%s)" % ",".join(str(item) for item in found)


def _interactions(text: str) -> str:
    found = _literal(text, "a nested list such as [[0, 1], [2, 3]]")
    good = isinstance(found, list) and all(
        isinstance(group, list) and all(isinstance(item, int) and item >= 0 for item in group) for group in found
    )
    if not good:
        raise ValueError("%r is not a nested list of column numbers" % text)
    return str(found)


def _literal(text: str, what: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        raise ValueError("%r is not %s" % (text, what)) from None


CHECKS: Dict[str, Check] = {
    "num_round": _integer(1), "num_class": _integer(2), "objective": _one_of(*OBJECTIVES),
    "eta": _real(0, 1), "gamma": _real(0), "max_depth": _integer(0), "min_child_weight": _real(0),
    "max_delta_step": _real(0), "subsample": _real(0, 1, low_open=True),
    "colsample_bytree": _real(0, 1, low_open=True), "colsample_bylevel": _real(0, 1, low_open=True),
    "colsample_bynode": _real(0, 1, low_open=True), "lambda": _real(0), "alpha": _real(0),
    "booster": _one_of("gbtree", "gblinear", "dart"),
    "tree_method": _one_of("auto", "exact", "approx", "hist", "gpu_hist"),
    "sketch_eps": _real(0, 1, low_open=True, high_open=True), "scale_pos_weight": _real(0, low_open=True),
    "updater": _updaters, "dsplit": _one_of("row", "col"), "refresh_leaf": _flag,
    "process_type": _one_of("default", "update"), "grow_policy": _one_of("depthwise", "lossguide"),
    "max_leaves": _integer(0), "max_bin": _integer(2), "predictor": _one_of("auto", "cpu_predictor", "gpu_predictor"),
    "monotone_constraints": _monotone, "interaction_constraints": _interactions,
    "sample_type": _one_of("uniform", "weighted"), "normalize_type": _one_of("tree", "forest"),
    "rate_drop": _real(0, 1), "skip_drop": _real(0, 1), "one_drop": _flag, "lambda_bias": _real(0, 1),
    "tweedie_variance_power": _real(1, 2, low_open=True, high_open=True), "base_score": _real(0),
    "eval_metric": _metrics, "early_stopping_rounds": _integer(1), "seed": _integer(), "nthread": _integer(1),
    "verbosity": _integer(0, 3), "num_parallel_tree": _integer(1), "csv_weights": _flag,
    "save_model_on_termination": _truth, "aft_loss_distribution": _one_of("normal", "logistic", "extreme"),
    "aft_loss_distribution_scale": _real(0, low_open=True), "deterministic_histogram": _truth,
    "single_precision_histogram": _truth, "sampling_method": _one_of("uniform", "gradient_based"),
    "prob_buffer_row": _real(1, low_open=True), "use_dask_gpu_training": _truth,
    "_kfold": _integer(2), "_num_cv_round": _integer(1), "_tuning_objective_metric": str,
}  # fmt: skip
OURS = frozenset(
    [
        "num_round", "eval_metric", "early_stopping_rounds", "csv_weights", "save_model_on_termination", "dsplit",
        "prob_buffer_row", "use_dask_gpu_training", "_kfold", "_num_cv_round", "_tuning_objective_metric",
    ]
)  # fmt: skip
"""Hyperparameters that steer the container; the rest goes to XGBoost as it is."""


def validate(given: Mapping[str, str]) -> Dict[str, Any]:
    """Read and check the strings of a request.

    Raises:
        CustomerError: names the hyperparameter, the value and what is allowed.
    """
    found: Dict[str, Any] = {}
    for key, text in given.items():
        name = ALIASES.get(key, key)
        if name not in CHECKS:
            raise CustomerError("Extraneous hyperparameter found: %s" % key)
        if name in found:
            raise CustomerError("Hyperparameter %s: given twice, as %s too" % (name, key))
        try:
            found[name] = CHECKS[name](_unquote(text))
        except ValueError as e:
            raise CustomerError("Hyperparameter %s: %s" % (key, e)) from e
    if "num_round" not in found:
        raise CustomerError("Missing required hyperparameter: num_round")
    _dependencies(found)
    return found


def _unquote(text: str) -> str:
    """SDK estimators of frameworks JSON-encode strings; a value then carries its own quotes."""
    text = text.strip()
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text


def _dependencies(found: Mapping[str, Any]) -> None:
    def refuse(name: str, why: str) -> None:
        raise CustomerError("Hyperparameter %s: %s" % (name, why))

    objective = found.get("objective", "reg:squarederror")
    if objective.startswith("multi:") and "num_class" not in found:
        refuse("num_class", "required for the objective %s" % objective)
    if not objective.startswith("multi:") and "num_class" in found:
        refuse("num_class", "only multi:softmax and multi:softprob take it, not %s" % objective)
    _needs(found, "monotone_constraints", ("exact", "hist"))
    _needs(found, "interaction_constraints", ("exact", "hist", "approx"))
    updaters = _words(found.get("updater", ""))
    linear = found.get("booster") == "gblinear"
    if linear and any(word not in LINEAR_UPDATERS for word in updaters):
        refuse("updater", "the booster gblinear takes %s" % " or ".join(LINEAR_UPDATERS))
    if not linear and any(word in LINEAR_UPDATERS for word in updaters):
        refuse("updater", "shotgun and coord_descent need the booster gblinear")
    if found.get("process_type") == "update" and any(word not in ("refresh", "prune") for word in updaters):
        refuse("updater", "process_type update takes refresh and prune")
    if found.get("predictor") == "gpu_predictor" and found.get("tree_method") not in (None, "auto", "gpu_hist"):
        refuse("predictor", "gpu_predictor needs the tree_method gpu_hist")
    if found.get("use_dask_gpu_training") and found.get("tree_method") != "gpu_hist":
        refuse("use_dask_gpu_training", "needs the tree_method gpu_hist")
    if found.get("sampling_method") == "gradient_based" and found.get("tree_method") != "gpu_hist":
        refuse("sampling_method", "gradient_based needs the tree_method gpu_hist")
    if found.get("_num_cv_round") and not found.get("_kfold"):
        refuse("_num_cv_round", "needs _kfold")


def _needs(found: Mapping[str, Any], name: str, methods: Sequence[str]) -> None:
    if name in found and found.get("tree_method") not in methods:
        raise CustomerError("Hyperparameter %s: needs tree_method to be %s" % (name, " or ".join(methods)))


def is_maximized(metric: str) -> Optional[bool]:
    """Whether more is better; None for a name that is unknown."""
    name = metric.partition("@")[0]
    return True if name in MAXIMIZED else False if name in MINIMIZED else None
