"""What either SDK's Pipeline calls besides carrying steps out: nothing here makes a job."""

import json

from botocore.exceptions import ClientError, WaiterError

try:
    from sagemaker import Session, get_execution_role
    from sagemaker.workflow.condition_step import ConditionStep
    from sagemaker.workflow.conditions import ConditionEquals, ConditionIn, ConditionNot, ConditionOr
    from sagemaker.workflow.fail_step import FailStep
    from sagemaker.workflow.functions import Join
    from sagemaker.workflow.parallelism_config import ParallelismConfiguration
    from sagemaker.workflow.parameters import ParameterBoolean, ParameterInteger, ParameterString
    from sagemaker.workflow.pipeline import Pipeline
    from sagemaker.workflow.selective_execution_config import SelectiveExecutionConfig
    from sagemaker.workflow.triggers import PipelineSchedule
except ImportError:
    from sagemaker.core.helper.session_helper import Session, get_execution_role
    from sagemaker.core.workflow.conditions import ConditionEquals, ConditionIn, ConditionNot, ConditionOr
    from sagemaker.core.workflow.functions import Join
    from sagemaker.core.workflow.parameters import ParameterBoolean, ParameterInteger, ParameterString
    from sagemaker.mlops.workflow.condition_step import ConditionStep
    from sagemaker.mlops.workflow.fail_step import FailStep
    from sagemaker.mlops.workflow.parallelism_config import ParallelismConfiguration
    from sagemaker.mlops.workflow.pipeline import Pipeline
    from sagemaker.mlops.workflow.selective_execution_config import SelectiveExecutionConfig
    from sagemaker.mlops.workflow.triggers import PipelineSchedule

session, role = Session(), get_execution_role()
mode = ParameterString("Mode", default_value="fast", enum_values=["fast", "slow"])
count, ready = ParameterInteger("Count", default_value=3), ParameterBoolean("Ready", default_value=True)
late = FailStep("late", error_message=Join(on="/", values=["not", mode, count, ready]))
first = ConditionStep("first", conditions=[ConditionEquals(ready, True), ConditionNot(ConditionEquals(count, 4))], else_steps=[late])
second = ConditionStep("second", conditions=[ConditionOr([ConditionIn(mode, ["slow"]), ConditionEquals(count, 3)])], depends_on=[first])
pipeline = Pipeline("calls", parameters=[mode, count, ready], steps=[first, second], sagemaker_session=session)
made = pipeline.upsert(role, description="made", tags=[{"Key": "team", "Value": "red"}])["PipelineArn"]
again = pipeline.upsert(
    role, description="again", tags=[{"Key": "stage", "Value": "test"}], parallelism_config=ParallelismConfiguration(2),
)["PipelineArn"]
described = pipeline.describe()
found = {
    "same": made == again, "description": described["PipelineDescription"], "parallel": described["ParallelismConfiguration"],
    "tags": sorted(tag["Key"] for tag in session.sagemaker_client.list_tags(ResourceArn=made)["Tags"]),
    "version": pipeline.latest_pipeline_version_id, "steps": [s["Name"] for s in json.loads(described["PipelineDefinition"])["Steps"]],
}


def ended(execution):
    try:
        execution.wait()
    except WaiterError:
        pass
    return {s["StepName"]: s.get("Metadata", {}).get("Condition", {}).get("Outcome", s["StepStatus"]) for s in execution.list_steps()}


plain, odd = pipeline.start(execution_display_name="plain"), pipeline.start(parameters={"Ready": False, "Count": 4, "Mode": "slow"})
found |= {"plain": ended(plain), "odd": ended(odd), "why": odd.describe()["FailureReason"], "shown": plain.describe()["PipelineExecutionDisplayName"]}
found["parameters"] = pipeline.build_parameters_from_execution(odd.arn, {"Mode": "fast"})
part = pipeline.start(selective_execution_config=SelectiveExecutionConfig(selected_steps=["second"], source_pipeline_execution_arn=plain.arn))
found["part"] = ended(part)
found["executions"] = len(pipeline.list_executions(sort_by="CreationTime", sort_order="Ascending", max_results=2)["PipelineExecutionSummaries"])
triggers = pipeline.put_triggers([PipelineSchedule(name="calls-nightly", cron="0 2 * * ? *")], role)
found["trigger"] = [triggers == [pipeline.describe_trigger("calls-nightly")["Schedule_Arn"]], pipeline.describe_trigger("calls-nightly")["Schedule_State"]]
pipeline.delete_triggers(["calls-nightly", "calls-nightly"])
refused = []
for call in (
    lambda: pipeline.create(role), lambda: pipeline.start(parameters={"Mode": "sideways"}), lambda: pipeline.start(parameters={"Other": 1}),
    lambda: pipeline.delete() and pipeline.describe(),
):
    try:
        call()
    except ClientError as error:
        refused.append(error.response["Error"]["Code"])
print("\nRESULT " + json.dumps(found | {"refused": refused}))
