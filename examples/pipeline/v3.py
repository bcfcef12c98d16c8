"""SDK v3: process, train, evaluate, and register the model if it is good enough; what ran once is not run again."""

import contextlib
import json
from pathlib import Path

from botocore.exceptions import WaiterError
from sagemaker.core import shapes
from sagemaker.core.helper.session_helper import get_execution_role
from sagemaker.core.model_metrics import MetricsSource, ModelMetrics
from sagemaker.core.processing import ScriptProcessor
from sagemaker.core.workflow.conditions import ConditionGreaterThanOrEqualTo
from sagemaker.core.workflow.functions import Join, JsonGet
from sagemaker.core.workflow.parameters import ParameterFloat, ParameterInteger, ParameterString
from sagemaker.core.workflow.pipeline_context import PipelineSession
from sagemaker.core.workflow.properties import PropertyFile
from sagemaker.mlops.workflow import retry
from sagemaker.mlops.workflow.condition_step import ConditionStep
from sagemaker.mlops.workflow.fail_step import FailStep
from sagemaker.mlops.workflow.model_step import ModelStep
from sagemaker.mlops.workflow.pipeline import Pipeline
from sagemaker.mlops.workflow.steps import CacheConfig, ProcessingStep, TrainingStep
from sagemaker.serve.model_builder import ModelBuilder
from sagemaker.train import ModelTrainer
from sagemaker.train.configs import Compute, InputData, SourceCode

HERE = Path(__file__).parent
session = PipelineSession()
bucket, role = session.default_bucket(), get_execution_role()
IMAGE = f"683313688378.dkr.ecr.{session.boto_region_name}.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
data = session.upload_data(str(HERE.parent / "sklearn_script" / "iris.csv"), bucket, "pipeline-v3")
cache = CacheConfig(enable_caching=True, expire_after="P30D")
faults, limits = retry.StepExceptionTypeEnum, retry.SageMakerJobExceptionTypeEnum
retries = [
    retry.StepRetryPolicy([faults.SERVICE_FAULT, faults.THROTTLING], max_attempts=3),
    retry.SageMakerJobStepRetryPolicy([limits.RESOURCE_LIMIT], interval_seconds=30, expire_after_mins=60),
]
uri = ParameterString("Data", default_value=data)
share, wanted = ParameterFloat("Share", default_value=0.3), ParameterFloat("Accuracy", default_value=0.9)
trees = ParameterInteger("Trees", default_value=50)


def given(name, source):
    """An input of a processing job, by File mode."""
    to = shapes.ProcessingS3Input(s3_uri=source, local_path=f"/opt/ml/processing/{name}", s3_data_type="S3Prefix", s3_input_mode="File")
    return shapes.ProcessingInput(input_name=name, s3_input=to)


def made(name):
    """An output of a processing job; the SDK chooses where in the bucket, anew for each execution."""
    to = shapes.ProcessingS3Output(s3_uri=f"/opt/ml/processing/{name}", local_path=f"/opt/ml/processing/{name}", s3_upload_mode="EndOfJob")
    return shapes.ProcessingOutput(output_name=name, s3_output=to)


def uri_of(step, name):
    return step.properties.ProcessingOutputConfig.Outputs[name].S3Output.S3Uri


processor = ScriptProcessor(
    role, IMAGE, ["python3"], instance_type="ml.m5.large", instance_count=1, sagemaker_session=session,
)
process = ProcessingStep("process", cache_config=cache, retry_policies=retries, step_args=processor.run(
    code=str(HERE / "code" / "process.py"), arguments=["--share", share.to_string()], inputs=[given("input", uri)],
    outputs=[made("train"), made("test")],
))
trainer = ModelTrainer(
    training_image=IMAGE, compute=Compute(instance_type="ml.m5.large", instance_count=1), role=role, base_job_name="irises-v3",
    source_code=SourceCode(source_dir=str(HERE / "code"), entry_script="train.py"), hyperparameters={"trees": trees},
    output_data_config=shapes.OutputDataConfig(s3_output_path=f"s3://{bucket}/pipeline-v3/models"), sagemaker_session=session,
)
train = TrainingStep("train", cache_config=cache, retry_policies=retries, step_args=trainer.train(
    input_data_config=[InputData(channel_name="train", data_source=uri_of(process, "train"))],
))
artifacts = train.properties.ModelArtifacts.S3ModelArtifacts
report = PropertyFile("report", output_name="evaluation", path="evaluation.json")
evaluate = ProcessingStep("evaluate", cache_config=cache, property_files=[report], step_args=processor.run(
    code=str(HERE / "code" / "evaluate.py"), inputs=[given("model", artifacts), given("test", uri_of(process, "test"))],
    outputs=[made("evaluation")],
))
accuracy = JsonGet("evaluate", report, "multiclass_classification_metrics.accuracy.value")
judged = Join(on="/", values=[uri_of(evaluate, "evaluation"), "evaluation.json"])
builder = ModelBuilder(s3_model_data_url=artifacts, image_uri=IMAGE, role_arn=role, sagemaker_session=session)
create = ModelStep("create", step_args=builder.build())
register = ModelStep("register", step_args=builder.register(
    content_types=["text/csv"], response_types=["text/csv"], inference_instances=["ml.m5.large"], transform_instances=["ml.m5.large"],
    model_package_group_name="irises-v3", approval_status="Approved",
    model_metrics=ModelMetrics(model_statistics=MetricsSource("application/json", judged)),
))
refuse = FailStep("refuse", error_message=Join(on=" ", values=["an accuracy of", accuracy, "is less than", wanted]))
enough = ConditionStep(
    "enough", conditions=[ConditionGreaterThanOrEqualTo(accuracy, wanted)], if_steps=[create, register], else_steps=[refuse],
)
pipeline = Pipeline("irises-v3", parameters=[uri, share, wanted, trees], steps=[process, train, evaluate, enough], sagemaker_session=session)
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
