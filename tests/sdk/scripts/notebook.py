"""Notebook jobs as either SDK runs them: steps of a pipeline, which a schedule starts, too.

    notebook.py WORK IMAGE
"""

import contextlib
import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

try:
    from sagemaker import get_execution_role
    from sagemaker.workflow.notebook_job_step import NotebookJobStep
    from sagemaker.workflow.pipeline import Pipeline
    from sagemaker.workflow.triggers import PipelineSchedule

    SDK = "v2"
except ImportError:
    from sagemaker.core.helper.session_helper import get_execution_role
    from sagemaker.mlops.workflow.notebook_job_step import NotebookJobStep
    from sagemaker.mlops.workflow.pipeline import Pipeline
    from sagemaker.mlops.workflow.triggers import PipelineSchedule

    SDK = "v3"
from botocore.exceptions import WaiterError

work, image = Path(sys.argv[1]), sys.argv[2]


def code(source, **metadata):
    return {"cell_type": "code", "execution_count": None, "id": f"c{len(source)}", "metadata": metadata, "outputs": [], "source": source}


def notebook(name, *cells, **parameters):
    path = work / f"{name}.ipynb"
    path.write_text(json.dumps({
        "cells": list(cells), "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
        "nbformat": 4, "nbformat_minor": 5,
    }))
    (work / "init.sh").write_text("echo ready > made-by-init\n")
    return NotebookJobStep(
        name=name, input_notebook=str(path), image_uri=image, kernel_name="python3", role=get_execution_role(),
        parameters=parameters, initialization_script=str(work / "init.sh"), max_runtime_in_seconds=600,
    )


good = notebook(
    "good", code("factor = 1", tags=["parameters"]), code("print('answer', factor * 14)"), code("open('made-by-init').read().strip()"),
    factor="3",
)
bad = notebook("bad", code("print('before')"), code("1 / 0"))
pipeline = Pipeline(name=f"notebooks-{SDK}", steps=[good, bad])
pipeline.upsert(role_arn=get_execution_role())
execution = pipeline.start()
with contextlib.suppress(WaiterError):  # one of the two fails
    execution.wait(delay=1, max_attempts=400)
jobs = {step["StepName"]: step["Metadata"]["TrainingJob"]["Arn"].rpartition("/")[2] for step in execution.list_steps()}
outputs = {
    step["Name"]: step["Arguments"]["Environment"]["SM_OUTPUT_NOTEBOOK_NAME"] for step in json.loads(pipeline.definition())["Steps"]
}
schedule = pipeline.put_triggers(
    [PipelineSchedule(name=f"nightly-{SDK}", cron="0 3 * * ? *", start_date=datetime.now(UTC) + timedelta(days=1))], role_arn=get_execution_role()
)
print("RESULT " + json.dumps({
    "good": [jobs["good"], outputs["good"]], "bad": [jobs["bad"], outputs["bad"]], "schedule": schedule,
    "status": execution.describe()["PipelineExecutionStatus"],
}))
