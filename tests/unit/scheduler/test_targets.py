"""What targets mean."""

from __future__ import annotations

import pytest

from sagewright.slices.scheduler import targets
from sagewright.slices.scheduler.runner import transient
from sagewright.wire.errors import AccessDenied, DomainError, Invalid, LimitExceeded, NotImplementedHere, ServiceError

PIPELINE = "arn:aws:sagemaker:us-east-1:123456789012:pipeline/nightly"


def test_a_universal_target_is_a_call() -> None:
    found = targets.request({"Arn": "arn:aws:scheduler:::aws-sdk:sagemaker:stopTrainingJob"}, '{"TrainingJobName": "a"}', "http://here")
    assert (found.service, found.operation, found.params) == ("sagemaker", "StopTrainingJob", {"TrainingJobName": "a"})


def test_a_pipeline_is_started_with_its_parameters() -> None:
    given = [{"Name": "n", "Value": "1"}]
    found = targets.request({"Arn": PIPELINE, "SageMakerPipelineParameters": {"PipelineParameterList": given}}, None, "http://here", "moment-1")
    assert (found.operation, found.params) == (
        "StartPipelineExecution", {"PipelineName": "nightly", "ClientRequestToken": "moment-1", "PipelineParameters": given})
    with pytest.raises(NotImplementedHere, match="StartPipelineExecution"):
        targets.check({"Arn": PIPELINE}, lambda service, name: False)


def test_the_context_is_filled_in() -> None:
    target = {"Arn": "arn:aws:sqs:us-east-1:123456789012:q", "Input": "<aws.scheduler.execution-id>/<aws.scheduler.attempt-number>/<aws.scheduler.other>"}
    assert targets.filled(target, {"execution-id": "e", "attempt-number": "2"}, "d") == "e/2/<aws.scheduler.other>"
    assert targets.filled({"Arn": target["Arn"]}, {}, "d") == "d"
    assert targets.filled({"Arn": "arn:aws:scheduler:::aws-sdk:sqs:sendMessage"}, {}, "d") is None


@pytest.mark.parametrize("arn", ["x", "arn:aws:scheduler:::aws-sdk:sagemaker:CreateTrainingJob", "arn:aws:scheduler:::aws-sdk:sagemaker"])
def test_what_is_no_target(arn: str) -> None:
    with pytest.raises(Invalid):
        targets.request({"Arn": arn}, "{}", "http://here")


@pytest.mark.parametrize(("error", "again"), [
    (AccessDenied("no"), False), (Invalid("no"), False), (LimitExceeded("later"), True), (ServiceError("ThrottlingException", "later"), True),
    (ServiceError("ServiceUnavailable", "later", 503), True), (ServiceError("QueueDoesNotExist", "no"), False), (RuntimeError("ours"), True),
    (NotImplementedHere("no"), False),
])  # fmt: skip
def test_what_is_tried_again(error: Exception, again: bool) -> None:
    assert transient(error) is again
    assert isinstance(error, DomainError) or again
