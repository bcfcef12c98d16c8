"""XGBoost boosters as ONNX tree ensembles, from XGBoost's own JSON.

Format: https://xgboost.readthedocs.io/en/stable/tutorials/saving_model.html; operator: ai.onnx.ml TreeEnsembleRegressor.
XGBoost goes left where value < threshold, and where the value is missing, to the node's default.
"""

import json
import math
import os
import pickle
from typing import Any, Dict, List, Optional, Sequence

import numpy as np
import onnx
import xgboost as xgb
from onnx import TensorProto, helper

from . import source
from .files import the_model
from .refusal import Refusal

LOGIT = ("binary:logistic", "reg:logistic")
LOG = ("count:poisson", "reg:gamma", "reg:tweedie", "survival:cox", "survival:aft")
PLAIN = (
    "reg:squarederror", "reg:linear", "reg:squaredlogerror", "reg:pseudohubererror", "reg:absoluteerror", "reg:quantileerror",
    "binary:logitraw", "rank:pairwise", "rank:ndcg", "rank:map",
)  # fmt: skip


def convert(folder: str, inputs: List[Dict[str, Any]]) -> source.Source:
    """Raises Refusal for what has no such form: categorical splits, vector leaves, unknown objectives."""
    booster = load(the_model(folder, ("xgboost-model", ".model", ".ubj", ".json", ".bin", ".pkl", ".pickle"), "an XGBoost model"))
    learner = json.loads(bytes(booster.save_raw("json")))["learner"]
    width = int(learner["learner_model_param"]["num_feature"])
    for given in inputs:
        if given["Shape"] and given["Shape"][-1] != width:
            raise Refusal("InputConfiguration: DataInputConfig has %d features, the model %d" % (given["Shape"][-1], width))
    name = inputs[0]["Name"] if inputs else "data"
    best = booster.attr("best_iteration")
    rounds = min(int(best) + 1, booster.num_boosted_rounds()) if best is not None else booster.num_boosted_rounds()
    graph = Graph(learner, name, width, rounds)

    def reference(values: Sequence[np.ndarray]) -> List[np.ndarray]:
        matrix = xgb.DMatrix(values[0])
        return [booster.predict(matrix, validate_features=False, iteration_range=(0, rounds))]

    return source.Source(graph.model(), reference, [graph.samples()], {name: [1, width]})


def load(path: str) -> xgb.Booster:
    """A booster in any of XGBoost's own formats, or as a pickle."""
    try:
        with open(path, "rb") as file:
            head = file.read(2)
        if head[:1] == b"\x80":
            with open(path, "rb") as file:
                found = pickle.load(file)
            return found.get_booster() if hasattr(found, "get_booster") else found
        booster = xgb.Booster()
        booster.load_model(path)
        return booster
    except Exception as error:
        text = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise Refusal("InputConfiguration: XGBoost %s cannot read %s: %s" % (xgb.__version__, os.path.basename(path), text)) from error


class Graph:
    """One booster's graph."""

    def __init__(self, learner: Dict[str, Any], name: str, width: int, rounds: int) -> None:
        self.name, self.width = name, width
        self.objective: str = learner["objective"]["name"]
        param = learner["learner_model_param"]
        self.classes = max(1, int(param.get("num_class", 0)))
        if int(param.get("num_target", 1)) > 1:
            raise Refusal("models with several targets cannot be compiled")
        self.base = margin(self.objective, np.float32(str(param["base_score"]).strip("[]")))
        booster = learner["gradient_booster"]
        self.weights: Optional[List[float]] = None
        if booster["name"] == "dart":
            self.weights, booster = booster["weight_drop"], booster["gbtree"]
        if booster["name"] == "gblinear":
            raise Refusal("the booster gblinear cannot be compiled; train with gbtree or dart")
        model = booster["model"]
        per_round = self.classes * int(model["gbtree_model_param"].get("num_parallel_tree", 1))
        self.trees: List[Dict[str, Any]] = model["trees"][: rounds * per_round]
        self.tree_class: List[int] = model["tree_info"][: rounds * per_round]

    def model(self) -> Any:
        ensemble, last = self._ensemble(), "margins"
        nodes, output = [ensemble], "predictions"
        if self.objective == "multi:softprob":
            nodes.append(helper.make_node("Softmax", [last], [output], axis=1))
        elif self.objective == "multi:softmax":
            nodes += [
                helper.make_node("ArgMax", [last], ["class"], axis=1, keepdims=0),
                helper.make_node("Cast", ["class"], [output], to=TensorProto.FLOAT),
            ]
        else:
            nodes.append(helper.make_node("Reshape", [last, "flat"], ["margin"]))
            nodes += self._link("margin", output)
        wide = self.objective == "multi:softprob"
        graph = helper.make_graph(
            nodes, "xgboost",
            [helper.make_tensor_value_info(self.name, TensorProto.FLOAT, ["rows", self.width])],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["rows", self.classes] if wide else ["rows"])],
            [helper.make_tensor("flat", TensorProto.INT64, [1], [-1]), helper.make_tensor("zero", TensorProto.FLOAT, [1], [0.0])],
        )
        made = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)], producer_name="sagewright"
        )
        made.ir_version = 9
        onnx.checker.check_model(made)
        return made

    def _link(self, margins: str, output: str) -> List[Any]:
        if self.objective in LOGIT:
            return [helper.make_node("Sigmoid", [margins], [output])]
        if self.objective in LOG:
            return [helper.make_node("Exp", [margins], [output])]
        if self.objective == "binary:hinge":
            return [
                helper.make_node("Greater", [margins, "zero"], ["positive"]),
                helper.make_node("Cast", ["positive"], [output], to=TensorProto.FLOAT),
            ]
        if self.objective in PLAIN:
            return [helper.make_node("Identity", [margins], [output])]
        raise Refusal("the objective %s cannot be compiled" % self.objective)

    def _ensemble(self) -> Any:
        columns: Dict[str, List[Any]] = {key: [] for key in (
            "nodes_treeids", "nodes_nodeids", "nodes_featureids", "nodes_values", "nodes_modes", "nodes_truenodeids",
            "nodes_falsenodeids", "nodes_missing_value_tracks_true", "target_treeids", "target_nodeids", "target_ids", "target_weights",
        )}  # fmt: skip
        for number, tree in enumerate(self.trees):
            if any(tree.get("split_type", ())) or tree.get("categories"):
                raise Refusal("categorical splits cannot be compiled; encode the categories as numbers")
            if int(tree["tree_param"].get("size_leaf_vector", 1)) > 1:
                raise Refusal("trees with vector leaves cannot be compiled")
            self._tree(number, tree, columns)
        return helper.make_node(
            "TreeEnsembleRegressor", [self.name], ["margins"], domain="ai.onnx.ml", n_targets=self.classes,
            aggregate_function="SUM", post_transform="NONE", base_values=[float(self.base)] * self.classes, **columns,
        )

    def _tree(self, number: int, tree: Dict[str, Any], columns: Dict[str, List[Any]]) -> None:
        factor = np.float32(self.weights[number] if self.weights else 1.0)
        for node, (left, right) in enumerate(zip(tree["left_children"], tree["right_children"], strict=True)):
            leaf = left == -1
            value = float(np.float32(tree["split_conditions"][node]))
            columns["nodes_treeids"].append(number)
            columns["nodes_nodeids"].append(node)
            columns["nodes_featureids"].append(0 if leaf else tree["split_indices"][node])
            columns["nodes_values"].append(0.0 if leaf else value)
            columns["nodes_modes"].append("LEAF" if leaf else "BRANCH_LT")
            columns["nodes_truenodeids"].append(0 if leaf else left)
            columns["nodes_falsenodeids"].append(0 if leaf else right)
            columns["nodes_missing_value_tracks_true"].append(0 if leaf else int(tree["default_left"][node]))
            if leaf:
                columns["target_treeids"].append(number)
                columns["target_nodeids"].append(node)
                columns["target_ids"].append(self.tree_class[number])
                columns["target_weights"].append(float(np.float32(value) * factor))

    def samples(self, count: int = 256) -> np.ndarray:
        """Rows that meet the trees' own thresholds: just below, exactly on and just above, and missing values."""
        draw = np.random.default_rng(source.SEED)
        met: List[List[float]] = [[] for _ in range(self.width)]
        for tree in self.trees:
            for feature, value, left in zip(tree["split_indices"], tree["split_conditions"], tree["left_children"], strict=True):
                if left != -1:
                    met[feature].append(value)
        table = np.zeros((count, self.width), np.float32)
        for feature, values in enumerate(met):
            if values:
                drawn = draw.choice(np.array(values, np.float32), count)
                step = draw.integers(-1, 2, count)
                table[:, feature] = np.where(step == 0, drawn, np.nextafter(drawn, np.where(step > 0, np.inf, -np.inf).astype(np.float32)))
            else:
                table[:, feature] = draw.standard_normal(count)
        table[draw.random(table.shape) < 0.05] = np.nan
        return table


def margin(objective: str, score: Any) -> Any:
    """The base score as a margin: what the trees' sum is added to."""
    if objective in LOGIT:
        return np.float32(-math.log(1.0 / float(score) - 1.0))
    if objective in LOG:
        return np.float32(math.log(float(score)))
    return score


