"""A notebook job as SDK v2 compiles it; the request is what a pipeline sends.

    notebook.py WORK IMAGE
"""

import json
import sys
from pathlib import Path

import boto3
from sagemaker import get_execution_role
from sagemaker.workflow.notebook_job_step import NotebookJobStep
from sagemaker.workflow.pipeline import Pipeline

work, image = Path(sys.argv[1]), sys.argv[2]


def code(source, **metadata):
    return {"cell_type": "code", "execution_count": None, "id": f"c{len(source)}", "metadata": metadata, "outputs": [], "source": source}


def resolved(value):
    """An expression of a pipeline's definition as an execution would fill it in."""
    if isinstance(value, dict) and "Std:Join" in value:
        return value["Std:Join"]["On"].join(resolved(v) for v in value["Std:Join"]["Values"])
    return "an-execution" if isinstance(value, dict) else value


def submit(name, *cells, **parameters):
    path = work / f"{name}.ipynb"
    path.write_text(json.dumps({
        "cells": list(cells), "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
        "nbformat": 4, "nbformat_minor": 5,
    }))
    (work / "init.sh").write_text("echo ready > made-by-init\n")
    step = NotebookJobStep(
        name=name, input_notebook=str(path), image_uri=image, kernel_name="python3", role=get_execution_role(),
        parameters=parameters, initialization_script=str(work / "init.sh"), max_runtime_in_seconds=600,
    )
    definition = json.loads(Pipeline(name=f"p-{name}", steps=[step]).definition())
    request = definition["Steps"][0]["Arguments"]
    request["OutputDataConfig"]["S3OutputPath"] = resolved(request["OutputDataConfig"]["S3OutputPath"])
    request["TrainingJobName"] = f"notebook-{name}"
    boto3.client("sagemaker").create_training_job(**request)
    return request["TrainingJobName"], request["Environment"]["SM_OUTPUT_NOTEBOOK_NAME"]


good = submit(
    "good", code("factor = 1", tags=["parameters"]), code("print('answer', factor * 14)"), code("open('made-by-init').read().strip()"),
    factor="3",
)
bad = submit("bad", code("print('before')"), code("1 / 0"))
print("RESULT " + json.dumps({"good": good, "bad": bad}))
