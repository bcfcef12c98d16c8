"""Every hyperparameter's range, by the edges; needs no XGBoost."""

import sys
from pathlib import Path

import pytest

from sagewright_container.errors import CustomerError

sys.path.insert(0, str(Path(__file__).parents[3] / "images" / "xgboost"))

from xgboost_image.hyperparameters import CHECKS, MAXIMIZED, MINIMIZED, OBJECTIVES, is_maximized, validate

EDGES = {
    "num_round": (["1", "4000"], ["0", "-1", "1.5", "x", ""]),
    "num_class": ([], ["1", "x"]),
    "objective": ([o for o in OBJECTIVES if not o.startswith("multi:")], ["reg:nothing", ""]),
    "eta": (["0", "1", "0.3"], ["-0.1", "1.1", "nan"]), "learning_rate": (["0.5"], ["2"]),
    "gamma": (["0", "5"], ["-1"]), "min_split_loss": (["0"], ["-1"]), "max_depth": (["0", "10"], ["-1", "2.5"]),
    "min_child_weight": (["0", "120"], ["-1"]), "max_delta_step": (["0"], ["-1"]), "subsample": (["1", "0.1"], ["0", "1.1"]),
    "colsample_bytree": (["1"], ["0"]), "colsample_bylevel": (["1"], ["0"]), "colsample_bynode": (["1"], ["0"]),
    "lambda": (["0"], ["-1"]), "reg_lambda": (["0"], ["-1"]), "alpha": (["0"], ["-1"]), "reg_alpha": (["0"], ["-1"]),
    "booster": (["gbtree", "gblinear", "dart"], ["tree"]),
    "tree_method": (["auto", "exact", "approx", "hist", "gpu_hist"], ["fast"]), "sketch_eps": (["0.03"], ["0", "1"]),
    "scale_pos_weight": (["0.1"], ["0"]), "updater": (["refresh,prune"], ["unknown", "shotgun"]),
    "dsplit": (["row", "col"], ["x"]), "refresh_leaf": (["0", "1"], ["2", "true"]),
    "process_type": (["default", "update"], ["x"]), "grow_policy": (["depthwise", "lossguide"], ["x"]),
    "max_leaves": (["0"], ["-1"]), "max_bin": (["256"], ["1"]),
    "predictor": (["auto", "cpu_predictor", "gpu_predictor"], ["x"]), "monotone_constraints": ([], ["(1,2)", "x", "(1,0)"]),
    "interaction_constraints": ([], ["[1]", "x", "[[0,1]]"]), "sample_type": (["uniform", "weighted"], ["x"]),
    "normalize_type": (["tree", "forest"], ["x"]), "rate_drop": (["0", "1"], ["1.1"]), "skip_drop": (["0", "1"], ["-1"]),
    "one_drop": (["0", "1"], ["2"]), "lambda_bias": (["0", "1"], ["2"]), "tweedie_variance_power": (["1.5"], ["1", "2"]),
    "base_score": (["0", "0.5"], ["-1"]),
    "eval_metric": (["rmse", "error@0.3,auc", "ndcg@5", "map@3-", "f1_macro"], ["rmse,x", "auc@3", "error@x"]),
    "early_stopping_rounds": (["1"], ["0"]), "seed": (["0", "-3"], ["x"]), "nthread": (["1"], ["0"]),
    "verbosity": (["0", "3"], ["4"]), "num_parallel_tree": (["1"], ["0"]), "csv_weights": (["0", "1"], ["2"]),
    "save_model_on_termination": (["true", "false"], ["yes"]),
    "aft_loss_distribution": (["normal", "logistic", "extreme"], ["x"]), "aft_loss_distribution_scale": (["1"], ["0"]),
    "deterministic_histogram": (["true"], ["1"]), "single_precision_histogram": (["false"], ["0"]),
    "sampling_method": (["uniform"], ["x", "gradient_based"]), "prob_buffer_row": (["1.5"], ["1"]),
    "use_dask_gpu_training": (["false"], ["x", "true"]), "_kfold": (["2"], ["1"]), "_num_cv_round": ([], ["0", "1"]),
    "_tuning_objective_metric": (["validation:rmse"], []),
}  # fmt: skip


def test_every_hyperparameter_has_its_edges():
    assert set(CHECKS) <= set(EDGES)


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, (good, _) in EDGES.items() for text in good])
def test_allowed(name, text):
    validate({"num_round": "1", **{name: text}})


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, (_, bad) in EDGES.items() for text in bad])
def test_refused_by_name(name, text):
    with pytest.raises(CustomerError, match=name):
        validate({"num_round": "1", **{name: text}})


@pytest.mark.parametrize(
    "given",
    [
        {"objective": "multi:softmax", "num_class": "3"},
        {"tree_method": "hist", "monotone_constraints": "(1, 0, -1)"},
        {"tree_method": "approx", "interaction_constraints": "[[0, 1], [2]]"},
        {"booster": "gblinear", "updater": "shotgun"},
        {"_kfold": "2", "_num_cv_round": "3"},
        {"objective": '"reg:gamma"'},
    ],
)
def test_combinations(given):
    validate({"num_round": "1", **given})


def test_alias_given_twice():
    with pytest.raises(CustomerError, match="given twice"):
        validate({"num_round": "1", "eta": "0.1", "learning_rate": "0.2"})


def test_every_metric_has_a_direction():
    assert not MAXIMIZED & MINIMIZED
    assert is_maximized("ndcg@3") is True
    assert is_maximized("error@0.3") is False
    assert is_maximized("x") is None
