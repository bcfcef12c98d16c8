"""Serves: the user's inference script, and where that leaves something out, a transformers pipeline over the model."""

import os
import sys
from typing import Any

from sagewright_container import handlers

TASKS = (
    ("ForSequenceClassification", "text-classification"), ("ForTokenClassification", "token-classification"),
    ("ForQuestionAnswering", "question-answering"), ("ForMaskedLM", "fill-mask"), ("ForCausalLM", "text-generation"),
    ("LMHeadModel", "text-generation"), ("ForConditionalGeneration", "text2text-generation"),
    ("ForImageClassification", "image-classification"), ("ForObjectDetection", "object-detection"),
)  # fmt: skip
"""How a model's architecture ends, and what it is for."""


def task(model_dir: str) -> str:
    """HF_TASK, else what the model's architecture is for."""
    from transformers import AutoConfig

    if os.environ.get("HF_TASK"):
        return os.environ["HF_TASK"]
    names = AutoConfig.from_pretrained(model_dir).architectures or [""]
    for ending, found in TASKS:
        if names[0].endswith(ending):
            return found
    raise ValueError("set HF_TASK: the architecture %r does not tell the task" % names[0])


def model_fn(model_dir: str) -> Any:
    import torch
    from transformers import pipeline

    source = model_dir if os.path.exists(os.path.join(model_dir, "config.json")) else os.environ.get("HF_MODEL_ID", model_dir)
    return pipeline(task(source), model=source, device=0 if torch.cuda.is_available() else -1)


def predict_fn(data: Any, model: Any) -> Any:
    """``{"inputs": ..., "parameters": {...}}``, as of the Hugging Face inference toolkit; anything else is the input itself."""
    if not isinstance(data, dict) or "inputs" not in data:
        return model(data.tolist() if hasattr(data, "tolist") else data)
    inputs, parameters = data["inputs"], data.get("parameters") or {}
    return model(**inputs, **parameters) if isinstance(inputs, dict) else model(inputs, **parameters)


if __name__ == "__main__":
    sys.exit(handlers.main({"model_fn": model_fn, "predict_fn": predict_fn}))
