"""scikit-learn estimators and pipelines, by skl2onnx."""

import os
import warnings
from typing import Any, Dict, List, Sequence

import joblib
import numpy as np
import sklearn
from onnx import TensorProto
from skl2onnx import to_onnx, update_registered_converter
from skl2onnx._supported_operators import sklearn_operator_name_map
from skl2onnx.common._registration import get_shape_calculator
from skl2onnx.common.data_types import FloatTensorType
from skl2onnx.common.exceptions import MissingConverter, MissingShapeCalculator
from sklearn.preprocessing import StandardScaler

from . import source
from .files import the_model
from .refusal import Refusal


def convert(folder: str, inputs: List[Dict[str, Any]]) -> source.Source:
    """Raises Refusal: no single model, another release's pickle, an estimator without a converter."""
    model = load(the_model(folder, (".joblib", ".pkl", ".pickle"), "a scikit-learn model"))
    width = getattr(model, "n_features_in_", None)
    if width is None:
        if not inputs:
            raise Refusal("InputConfiguration: the model does not tell how many features it takes; give a DataInputConfig")
        width = inputs[0]["Shape"][-1]
    if len(inputs) > 1:
        raise Refusal("InputConfiguration: a scikit-learn model takes one input, DataInputConfig names %d" % len(inputs))
    if inputs and inputs[0]["Shape"][-1] != width:
        raise Refusal("InputConfiguration: DataInputConfig has %d features, the model %d" % (inputs[0]["Shape"][-1], width))
    name = inputs[0]["Name"] if inputs else "input"
    _register()
    try:
        made = to_onnx(
            model, initial_types=[(name, FloatTensorType([None, width]))], target_opset={"": 17, "ai.onnx.ml": 3}, options=_options(model)
        )
    except (MissingConverter, MissingShapeCalculator) as error:
        raise Refusal("the estimator cannot be compiled: %s" % str(error).strip().splitlines()[0]) from error
    except (RuntimeError, TypeError, ValueError, NotImplementedError) as error:
        raise Refusal("the estimator cannot be compiled: %s: %s" % (type(error).__name__, str(error).strip().splitlines()[0][:200])) from error
    return source.Source(made, lambda values: predictions(model, values), [_samples(model, width)], {name: [1, int(width)]})


def load(path: str) -> Any:
    """Raises Refusal where the pickle is another release's: its estimators may predict something else here."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            model = joblib.load(path)
        except Exception as error:
            raise Refusal("InputConfiguration: scikit-learn %s cannot read %s: %s: %s" % (
                sklearn.__version__, os.path.basename(path), type(error).__name__, error)) from error
    for warning in said:
        if "unpickle estimator" in str(warning.message):
            raise Refusal("InputConfiguration: FrameworkVersion: %s" % str(warning.message).strip().split(". ")[0])
    if not hasattr(model, "predict") and not hasattr(model, "transform"):
        raise Refusal("InputConfiguration: %s holds a %s, no estimator" % (os.path.basename(path), type(model).__name__))
    return model


def predictions(model: Any, values: Sequence[np.ndarray]) -> List[np.ndarray]:
    """What the estimator answers, in the order of the converted graph's outputs. It gets doubles, as it was trained on."""
    table = np.asarray(values[0], np.float64)
    if not hasattr(model, "predict"):
        return [np.asarray(model.transform(table))]
    found = [np.asarray(model.predict(table))]
    if hasattr(model, "predict_proba"):
        found.append(np.asarray(model.predict_proba(table)))
    return found


def _options(model: Any) -> Dict[Any, Any]:
    # a tensor of probabilities instead of a sequence of maps
    return {"zipmap": False} if hasattr(model, "predict_proba") else {}


def _scaler(scope: Any, operator: Any, container: Any) -> None:
    """StandardScaler in double, as scikit-learn does it: floats round otherwise, and a tree behind it may go the other way."""
    model, name = operator.raw_operator, operator.inputs[0].full_name

    def step(kind: str, *inputs: str, **attributes: Any) -> str:
        made: str = scope.get_unique_variable_name("scaler")
        container.add_node(kind, list(inputs), made, name=scope.get_unique_operator_name(kind), **attributes)
        return made

    def constant(values: Any) -> str:
        made: str = scope.get_unique_variable_name("constant")
        container.add_initializer(made, TensorProto.DOUBLE, [len(values)], np.asarray(values, np.float64))
        return made

    name = step("Cast", name, to=TensorProto.DOUBLE)
    if model.mean_ is not None and model.with_mean:
        name = step("Sub", name, constant(model.mean_))
    if model.scale_ is not None and model.with_std:
        name = step("Div", name, constant(model.scale_))
    container.add_node(
        "Cast", name, operator.outputs[0].full_name, name=scope.get_unique_operator_name("Cast"), to=TensorProto.FLOAT
    )


def _register() -> None:
    alias = sklearn_operator_name_map[StandardScaler]
    update_registered_converter(StandardScaler, alias, get_shape_calculator(alias), _scaler, overwrite=True)


def _samples(model: Any, width: int) -> np.ndarray:
    """Rows about the data that the model was fitted on, as far as a first scaler tells of it; whole ones among them."""
    first = model.steps[0][1] if hasattr(model, "steps") else None
    table = source.rows([width], 256)
    if hasattr(first, "mean_") and hasattr(first, "scale_") and first.mean_ is not None:
        table = np.random.default_rng(source.SEED).standard_normal((256, width)) * first.scale_ * 2 + first.mean_
    table = np.asarray(table, np.float32)
    table[::4] = np.round(table[::4])
    return table
