"""SDK v2: process, train, evaluate, and register the model if it is good enough; what ran once is not run again."""

import contextlib
import json
from pathlib import Path

import sagemaker
from botocore.exceptions import WaiterError
from sagemaker.inputs import TrainingInput
from sagemaker.model import Model
from sagemaker.model_metrics import MetricsSource, ModelMetrics
from sagemaker.processing import ProcessingInput, ProcessingOutput
from sagemaker.sklearn import SKLearn
from sagemaker.sklearn.processing import SKLearnProcessor
from sagemaker.workflow import retry
from sagemaker.workflow.condition_step import ConditionStep
from sagemaker.workflow.conditions import ConditionGreaterThanOrEqualTo
from sagemaker.workflow.fail_step import FailStep
from sagemaker.workflow.functions import Join, JsonGet
from sagemaker.workflow.model_step import ModelStep
from sagemaker.workflow.parameters import ParameterFloat, ParameterInteger, ParameterString
from sagemaker.workflow.pipeline import Pipeline
from sagemaker.workflow.pipeline_context import PipelineSession
from sagemaker.workflow.properties import PropertyFile
from sagemaker.workflow.steps import CacheConfig, ProcessingStep, TrainingStep

HERE = Path(__file__).parent
session = PipelineSession()
bucket, role = session.default_bucket(), sagemaker.get_execution_role()
data = session.upload_data(str(HERE.parent / "sklearn_script" / "iris.csv"), bucket, "pipeline-v2")
cache = CacheConfig(enable_caching=True, expire_after="P30D")
faults, limits = retry.StepExceptionTypeEnum, retry.SageMakerJobExceptionTypeEnum
retries = [
    retry.StepRetryPolicy([faults.SERVICE_FAULT, faults.THROTTLING], max_attempts=3),
    retry.SageMakerJobStepRetryPolicy([limits.RESOURCE_LIMIT], interval_seconds=30, expire_after_mins=60),
]
uri = ParameterString("Data", default_value=data)
share, wanted = ParameterFloat("Share", default_value=0.3), ParameterFloat("Accuracy", default_value=0.9)
trees = ParameterInteger("Trees", default_value=50)

processor = SKLearnProcessor("1.2-1", role=role, instance_type="ml.m5.large", instance_count=1, sagemaker_session=session)
process = ProcessingStep(
    "process", cache_config=cache, retry_policies=retries, step_args=processor.run(
        code=str(HERE / "code" / "process.py"), arguments=["--share", share.to_string()],
        inputs=[ProcessingInput(uri, "/opt/ml/processing/input")],
        outputs=[ProcessingOutput("/opt/ml/processing/train", output_name="train"), ProcessingOutput("/opt/ml/processing/test", output_name="test")],
    ),
)
made = process.properties.ProcessingOutputConfig.Outputs
estimator = SKLearn(
    "train.py", "1.2-1", source_dir=str(HERE / "code"), role=role, instance_type="ml.m5.large", hyperparameters={"trees": trees},
    output_path=f"s3://{bucket}/pipeline-v2/models", sagemaker_session=session,
)
train = TrainingStep(
    "train", cache_config=cache, retry_policies=retries, step_args=estimator.fit({"train": TrainingInput(made["train"].S3Output.S3Uri)}),
)
artifacts = train.properties.ModelArtifacts.S3ModelArtifacts
report = PropertyFile("report", output_name="evaluation", path="evaluation.json")
evaluate = ProcessingStep(
    "evaluate", cache_config=cache, property_files=[report], step_args=processor.run(
        code=str(HERE / "code" / "evaluate.py"), inputs=[
            ProcessingInput(artifacts, "/opt/ml/processing/model"), ProcessingInput(made["test"].S3Output.S3Uri, "/opt/ml/processing/test"),
        ], outputs=[ProcessingOutput("/opt/ml/processing/evaluation", output_name="evaluation")],
    ),
)
accuracy = JsonGet("evaluate", report, "multiclass_classification_metrics.accuracy.value")
judged = Join(on="/", values=[evaluate.properties.ProcessingOutputConfig.Outputs["evaluation"].S3Output.S3Uri, "evaluation.json"])
model = Model(estimator.training_image_uri(), artifacts, role, sagemaker_session=session)
create = ModelStep("create", step_args=model.create(instance_type="ml.m5.large"))
register = ModelStep("register", step_args=model.register(
    content_types=["text/csv"], response_types=["text/csv"], inference_instances=["ml.m5.large"], transform_instances=["ml.m5.large"],
    model_package_group_name="irises-v2", approval_status="Approved",
    model_metrics=ModelMetrics(model_statistics=MetricsSource("application/json", judged)),
))
refuse = FailStep("refuse", error_message=Join(on=" ", values=["an accuracy of", accuracy, "is less than", wanted]))
enough = ConditionStep(
    "enough", conditions=[ConditionGreaterThanOrEqualTo(accuracy, wanted)], if_steps=[create, register], else_steps=[refuse],
)
pipeline = Pipeline("irises-v2", parameters=[uri, share, wanted, trees], steps=[process, train, evaluate, enough], sagemaker_session=session)
pipeline.upsert(role)


def look(execution):
    """How an execution ended; each step's end and job, and which took an earlier execution's result."""
    with contextlib.suppress(WaiterError):  # one that failed says why in its description
        execution.wait()
    described, steps = execution.describe(), execution.list_steps()
    about = [(s["StepName"], kind, said) for s in steps for kind, said in s.get("Metadata", {}).items()]
    return {
        "execution": execution.arn.rsplit("/", 1)[-1], "status": described["PipelineExecutionStatus"], "why": described.get("FailureReason"),
        "steps": {s["StepName"]: s["StepStatus"] for s in steps}, "cached": sorted(s["StepName"] for s in steps if "CacheHitResult" in s),
        "jobs": {name: said["Arn"] for name, kind, said in about if kind in ("ProcessingJob", "TrainingJob")},
        "registered": [said["Arn"] for _, kind, said in about if kind == "RegisterModel"],
        "outcome": [said["Outcome"] for _, kind, said in about if kind == "Condition"],
    }


first = look(pipeline.start())
again = look(pipeline.start())
other = look(pipeline.start(parameters={"Trees": 1, "Accuracy": 1.01}))
print("\nRESULT " + json.dumps({"first": first, "again": again, "other": other}))
