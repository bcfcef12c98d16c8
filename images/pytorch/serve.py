"""Serves: the user's inference script, and where that leaves something out, a TorchScript file and tensors."""

import os
import sys
from typing import Any

from sagewright_container import handlers


def model_fn(model_dir: str) -> Any:
    """The one .pt or .pth file of the model, if it is TorchScript: weights alone do not say what they belong to."""
    import torch

    found = [name for name in sorted(os.listdir(model_dir)) if name.endswith((".pt", ".pth"))]
    if len(found) != 1:
        return handlers.required_model_fn(model_dir)
    try:
        return torch.jit.load(os.path.join(model_dir, found[0]), map_location=device()).eval()
    except RuntimeError as e:
        raise NotImplementedError(
            "%s is no TorchScript model (%s): define model_fn(model_dir) in inference.py" % (found[0], str(e).splitlines()[0])
        ) from e


def predict_fn(data: Any, model: Any) -> Any:
    import torch

    if not isinstance(data, torch.Tensor):
        data = torch.as_tensor(data, dtype=torch.float32)
    with torch.no_grad():
        found = model(data.to(device()))
    return found.cpu() if isinstance(found, torch.Tensor) else found


def joins(model: Any) -> int:
    """As many as the endpoint allows, by the variable that TorchServe's images know: not every module predicts each row for itself."""
    return int(os.environ.get("SAGEMAKER_TS_BATCH_SIZE") or 1)


def device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


if __name__ == "__main__":
    sys.exit(handlers.main({"model_fn": model_fn, "predict_fn": predict_fn}, joins=joins))
