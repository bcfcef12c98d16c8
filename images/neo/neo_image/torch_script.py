"""PyTorch: TorchScript (model.pth, .pt) and exported programs (.pt2)."""

import os
import warnings
from typing import Any, Dict, List, Sequence

import numpy as np
import onnx
import torch

from . import source
from .files import the_model
from .refusal import Refusal

BATCH = 3


def convert(folder: str, inputs: List[Dict[str, Any]]) -> source.Source:
    """Raises Refusal: no shapes given, a pickled state dict, an operator without an ONNX form."""
    if not inputs:
        raise Refusal("InputConfiguration: DataInputConfig is required for PyTorch, such as {\"input\": [1, 3, 224, 224]}")
    path = the_model(folder, (".pth", ".pt", ".pt2"), "a PyTorch model")
    names = [given["Name"] for given in inputs]
    shapes = [list(given["Shape"]) for given in inputs]
    target = os.path.join(os.environ.get("TMPDIR", "/tmp"), "model.onnx")
    torch.manual_seed(source.SEED)
    values = tuple(torch.randn(*shape) for shape in shapes)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        if path.endswith(".pt2"):
            call, free = _exported(path, values, names, target), False
        else:
            call, free = _script(path, values, names, target)
    made = onnx.load(target)
    samples = [source.rows(shape[1:], BATCH if free else shape[0]) / 10 for shape in shapes]
    derived = dict(zip(names, shapes, strict=True))
    return source.Source(made, lambda arrays: _arrays(call(*(torch.from_numpy(a) for a in arrays))), samples, derived)


def _script(path: str, values: Sequence[Any], names: List[str], target: str) -> Any:
    """(the model, whether its first dimension is free)."""
    try:
        model = torch.jit.load(path, map_location="cpu").eval()
    except RuntimeError as error:
        raise Refusal(
            "InputConfiguration: %s is no TorchScript archive: save the model with torch.jit.trace(model, example).save(...) or "
            "torch.export.save(...), not its state dict (%s)" % (os.path.basename(path), str(error).strip().splitlines()[0])
        ) from error
    try:
        first = model(*values)
    except Exception as error:
        text = str(error).strip().splitlines()
        raise Refusal("InputConfiguration: the model does not take inputs of DataInputConfig's shapes: %s" % (text[-1] if text else error)) from error
    if not isinstance(first, (torch.Tensor, list, tuple)):
        raise Refusal("models that answer with %s cannot be compiled; answer with a tensor or a tuple of tensors" % type(first).__name__)
    free = _batches(model, values)
    try:
        torch.onnx.export(
            model, tuple(values), target, dynamo=False, input_names=names, output_names=_outputs(first), opset_version=17,
            dynamic_axes={name: {0: "rows"} for name in names} if free else None,
        )
    except Exception as error:
        raise Refusal("the model cannot be compiled: %s" % " ".join(str(error).split())) from error
    return model, free


def _batches(model: Any, values: Sequence[Any]) -> bool:
    """Whether the model takes another number of rows, each for itself."""
    if any(value.dim() < 2 for value in values) or len({value.shape[0] for value in values}) > 1:
        return False
    torch.manual_seed(source.SEED)
    several = [torch.randn(BATCH, *value.shape[1:]) for value in values]
    try:
        whole, one = _arrays(model(*several)), _arrays(model(*(v[:1] for v in several)))
    except Exception:
        return False
    return all(w.shape[:1] == (BATCH,) and np.allclose(w[:1], o, rtol=1e-3, atol=1e-5) for w, o in zip(whole, one, strict=True))


def _exported(path: str, values: Sequence[Any], names: List[str], target: str) -> Any:
    try:
        program = torch.export.load(path)
        module = program.module()
        found = module(*values)
    except Exception as error:
        text = str(error).strip().splitlines()
        raise Refusal("InputConfiguration: the exported program cannot be run with DataInputConfig's shapes: %s" % (text[0] if text else error)) from error
    try:
        torch.onnx.export(program, tuple(values), target, dynamo=True, external_data=False, input_names=names, output_names=_outputs(found), verbose=False)
    except Exception as error:
        raise Refusal("the model cannot be compiled: %s" % " ".join(str(error).split())) from error
    return module


def _outputs(found: Any) -> List[str]:
    return ["output"] if isinstance(found, torch.Tensor) else ["output_%d" % n for n in range(len(found))]


def _arrays(found: Any) -> List[np.ndarray]:
    found = [found] if isinstance(found, torch.Tensor) else list(found)
    return [tensor.detach().numpy() for tensor in found]
