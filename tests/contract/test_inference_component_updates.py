"""What changes of inference components, and of their endpoint, do while requests come."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from sagewright.testing.components import MODEL, SMALL, Composed, code
from sagewright.testing.names import unique


def test_an_update_rolls_batch_by_batch_and_drops_nothing(composed: Composed) -> None:
    endpoint = composed.endpoint(count=2)
    name = composed.component(endpoint, copies=2)
    later = composed.models.model(MODEL, env={"SAYS": "two"})
    rolling = {"MaximumBatchSize": {"Type": "COPY_COUNT", "Value": 1}, "WaitIntervalInSeconds": 0}
    composed.sagemaker.update_inference_component(
        InferenceComponentName=name, Specification={"ModelName": later, "ComputeResourceRequirements": SMALL},
        DeploymentConfig={"RollingUpdatePolicy": rolling},
    )
    said = set()
    while composed.about(name)["InferenceComponentStatus"] == "Updating":
        said.add(composed.ask(endpoint, name).split()[0])
    about = composed.about(name)
    assert about["InferenceComponentStatus"] == "InService"
    assert about["Specification"]["ModelName"] == later
    assert about["LastDeploymentConfig"]["RollingUpdatePolicy"] == rolling
    assert said <= {"one", "two"}
    assert composed.ask(endpoint, name).startswith("two ")
    assert composed.counts(name) == (2, 2)


def test_an_update_that_does_not_start_is_taken_back(composed: Composed) -> None:
    endpoint = composed.endpoint(count=2)
    name = composed.component(endpoint)
    broken = composed.models.model("raise ImportError('no module named sails')")
    composed.sagemaker.update_inference_component(InferenceComponentName=name, Specification={"ModelName": broken, "ComputeResourceRequirements": SMALL})
    about = composed.settled(name)
    assert about["InferenceComponentStatus"] == "InService"
    assert "no module named sails" in about["FailureReason"]
    assert about["Specification"]["ModelName"] == composed.model
    assert composed.ask(endpoint, name).startswith("one ")


def test_an_alarm_takes_an_update_back(composed: Composed) -> None:
    endpoint = composed.endpoint(count=2)
    name = composed.component(endpoint, copies=2)
    alarm = unique("alarm")
    composed.metrics.put_metric_alarm(
        AlarmName=alarm, Namespace="Tests", MetricName=alarm, Statistic="Sum", Period=60, EvaluationPeriods=1, Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
    )
    later = composed.models.model(MODEL, env={"SAYS": "two"})
    composed.sagemaker.update_inference_component(
        InferenceComponentName=name, Specification={"ModelName": later, "ComputeResourceRequirements": SMALL},
        DeploymentConfig={
            "RollingUpdatePolicy": {"MaximumBatchSize": {"Type": "COPY_COUNT", "Value": 1}, "WaitIntervalInSeconds": 3600},
            "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": alarm}]},
        },
    )
    composed.until(lambda: composed.counts(name)[0] == 3)
    composed.metrics.set_alarm_state(AlarmName=alarm, StateValue="ALARM", StateReason="tried")
    about = composed.settled(name)
    assert about["InferenceComponentStatus"] == "InService"
    assert alarm in about["FailureReason"]
    assert composed.counts(name) == (2, 2)
    assert {composed.ask(endpoint, name).split()[0] for _ in range(4)} == {"one"}


def test_another_configuration_moves_the_copies(composed: Composed) -> None:
    endpoint = composed.endpoint()
    name = composed.component(endpoint)
    old = composed.ask(endpoint, name)
    other = composed.config(kind="ml.c5.large")
    composed.sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName=other)
    composed.models.settled(endpoint)

    def moved() -> bool:
        assert composed.ask(endpoint, name).startswith("one ")
        placed = composed.about(name)["RuntimeConfig"].get("PlacementStatus")
        return bool(placed == [{"InstanceType": "ml.c5.large", "CurrentCopyCount": 1}])

    composed.until(moved)
    assert composed.ask(endpoint, name) != old
    composed.until(lambda: composed.instances(endpoint) == (1, 1))
    single = composed.models.config(composed.models.model())
    with pytest.raises(ClientError) as raised:
        composed.sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName=single)
    assert "has inference components" in code(raised)
