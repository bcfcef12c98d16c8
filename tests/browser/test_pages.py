"""Every page in both themes: drawn, pictured, and without a fault that axe finds."""

from __future__ import annotations

import pytest

from sagewright.testing.jobs import Jobs
from sagewright.testing.names import unique

from .looks import Looks

pytestmark = pytest.mark.xdist_group("browser")


@pytest.mark.timeout(600)
async def test_every_page(looks: Looks, jobs: Jobs) -> None:
    job = jobs.train("print('loss=0.5')\nprint('loss=0.25')", TrainingJobName=unique("shown"), AlgorithmSpecification={"MetricDefinitions": [{"Name": "loss", "Regex": "loss=([0-9.]+)"}]}, HyperParameters={"rate": "0.1"})
    jobs.put("shown/rows.csv", "price,size\n1,2\n3,4\n")
    jobs.put("shown/config.json", '{"deep": {"list": [1, 2]}}')
    model, experiment = unique("model"), unique("experiment")
    jobs.sagemaker.create_model(ModelName=model, ExecutionRoleArn=jobs.role, PrimaryContainer={"Image": "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"})
    jobs.sagemaker.create_experiment(ExperimentName=experiment)
    jobs.sagemaker.create_trial(ExperimentName=experiment, TrialName=experiment)
    for rate in (0.1, 0.2):
        run = unique("run")
        jobs.sagemaker.create_trial_component(TrialComponentName=run, Parameters={"rate": {"NumberValue": rate}})
        jobs.sagemaker.associate_trial_component(TrialComponentName=run, TrialName=experiment)
        jobs.server.client("sagemaker-metrics").batch_put_metrics(TrialComponentName=run, MetricData=[{"MetricName": "loss", "Timestamp": 1.7e9 + step, "Step": step, "Value": 1 / (1 + rate * step)} for step in range(10)])
    jobs.ended(job)
    pages = {
        "overview": "/", "data": "/data", "bucket": f"/data/{jobs.bucket}", "preview-csv": f"/data/{jobs.bucket}?prefix=shown/&object=shown/rows.csv",
        "preview-json": f"/data/{jobs.bucket}?prefix=shown/&object=shown/config.json", "training-jobs": "/training-jobs",
        "training-job": f"/training-jobs/{job}", "training-job-metrics": f"/training-jobs/{job}?tab=metrics", "training-job-log": f"/training-jobs/{job}?tab=log",
        "training-job-code": f"/training-jobs/{job}?tab=code", "training-job-document": f"/training-jobs/{job}?tab=document",
        "create-training-job": "/training-jobs/create", "compare": f"/training-jobs/compare?of={job},{job}", "tuning-jobs": "/tuning-jobs",
        "processing-jobs": "/processing-jobs", "transform-jobs": "/transform-jobs", "experiments": "/experiments", "experiment": f"/experiments/{experiment}",
        "models": "/models", "model": f"/models/{model}", "create-model": "/models/create", "endpoints": "/endpoints", "create-endpoint": "/endpoints/create",
        "settings": "/settings", "missing": "/no-such-page",
    }  # fmt: skip
    for name, path in pages.items():
        await looks.at(name, path)
    assert looks.faults == {}
