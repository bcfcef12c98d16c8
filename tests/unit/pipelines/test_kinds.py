"""Names of jobs, what a cached result is known by, how long it may be used, and when a failure is tried again."""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagewright.slices.pipelines import policies
from sagewright.slices.pipelines.kinds import KINDS, Made, unique
from sagewright.wire.errors import Invalid

ARN = "arn:aws:sagemaker:us-east-1:000000000000:pipeline/p/execution/abcdefghij12"
MADE = {type_: kind for type_, kind in KINDS.items() if isinstance(kind, Made)}
JOB = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9])*")


@given(st.sampled_from(sorted(MADE)), st.from_regex(r"[A-Za-z0-9\-_]{1,64}", fullmatch=True), st.integers(1, 99), st.sampled_from(["", "base-job", "x" * 60, "a_b"]))
def test_names_are_ones_that_a_job_may_have(type_: str, step: str, attempt: int, own: str) -> None:
    kind = MADE[type_]
    own = "" if kind.own_name else own
    name = kind.job_name(ARN, step, f"1/{attempt}", own)
    assert len(name) <= kind.longest
    assert JOB.fullmatch(name), name
    assert "abcdefghij12" in name
    assert name == kind.job_name(ARN, step, f"1/{attempt}", own), "the same whoever computes it"
    assert name != kind.job_name(ARN, step, f"2/{attempt}", own), "another in another round"
    assert name != kind.job_name(ARN.replace("12", "13"), step, f"1/{attempt}", own)
    assert name != kind.job_name(ARN, step[:-1] + ("y" if step[-1] == "x" else "x"), f"1/{attempt}", own)


def test_names_as_they_are_seen() -> None:
    name = MADE["Training"].job_name(ARN, "AbaloneTrain", "1/1")
    assert re.fullmatch(r"pipelines-abcdefghij12-AbaloneTrain-[A-Za-z0-9]{10}", name)
    assert re.fullmatch(r"my-base-abcdefghij12-[A-Za-z0-9]{10}", MADE["Training"].job_name(ARN, "T", "1/1", "my-base"))
    assert re.fullmatch(r"abcdefghij12-AbaloneT-[A-Za-z0-9]{10}", MADE["Tuning"].job_name(ARN, "AbaloneTune", "1/1")), "at most 32 characters"
    assert MADE["Endpoint"].job_name(ARN, "E", "1/1", "mine") == "mine", "an endpoint keeps its name"


def test_unique_letters() -> None:
    assert re.fullmatch("[A-Za-z0-9]{10}", unique("x"))
    assert len({unique(str(number)) for number in range(1000)}) == 1000


TRAINING = {
    "AlgorithmSpecification": {"TrainingImage": "i"}, "HyperParameters": {"a": "1"}, "InputDataConfig": [{"ChannelName": "c"}], "RoleArn": "r",
    "ResourceConfig": {"InstanceType": "ml.m5.large"}, "OutputDataConfig": {"S3OutputPath": "s3://b/x"}, "Environment": {"E": "1"},
}


@pytest.mark.parametrize(("member", "value", "same"), [
    ("RoleArn", "other", True), ("ResourceConfig", {"InstanceType": "ml.p5.48xlarge"}, True), ("OutputDataConfig", {"S3OutputPath": "s3://b/y"}, True),
    ("StoppingCondition", {"MaxRuntimeInSeconds": 5}, True), ("Tags", [], True), ("ExperimentConfig", {"TrialName": "t"}, True),
    ("HyperParameters", {"a": "2"}, False), ("Environment", {}, False), ("InputDataConfig", [], False), ("AlgorithmSpecification", {}, False),
    ("CheckpointConfig", {"S3Uri": "s3://b/c"}, False), ("DebugHookConfig", {"S3OutputPath": "s3://b"}, False),
])
def test_what_a_result_of_training_is_known_by(member: str, value: Any, same: bool) -> None:
    kind = MADE["Training"]
    assert (kind.digest(TRAINING) == kind.digest({**TRAINING, member: value})) is same


def test_the_order_of_members_means_nothing_and_that_of_channels_does() -> None:
    kind = MADE["Training"]
    assert kind.digest(TRAINING) == kind.digest(dict(reversed(TRAINING.items())))
    two = {**TRAINING, "InputDataConfig": [{"ChannelName": "a"}, {"ChannelName": "b"}]}
    assert kind.digest(two) != kind.digest({**two, "InputDataConfig": two["InputDataConfig"][::-1]})  # type: ignore[index]


def test_two_definitions_of_a_tuning_job_do_not_lend_each_other_members() -> None:
    kind = MADE["Tuning"]
    image = [{"AlgorithmSpecification": {"TrainingImage": name}, "RoleArn": "r"} for name in "ab"]
    first, second = copy.deepcopy(image), copy.deepcopy(image)
    first[0]["StaticHyperParameters"] = second[1]["StaticHyperParameters"] = {"x": "1"}
    assert kind.digest({"TrainingJobDefinitions": first}) != kind.digest({"TrainingJobDefinitions": second})
    assert kind.digest({"TrainingJobDefinitions": first}) == kind.digest({"TrainingJobDefinitions": [{**each, "RoleArn": "s"} for each in first]})
    assert kind.digest({"TrainingJobDefinition": image[0]}) != kind.digest({"TrainingJobDefinitions": image[:1]})


def test_who_gives_no_role_has_that_of_the_execution() -> None:
    for type_, member in (("Training", "RoleArn"), ("Processing", "RoleArn"), ("Model", "ExecutionRoleArn")):
        assert MADE[type_].roled({}, "mine") == {member: "mine"}
        assert MADE[type_].roled({member: "own"}, "mine") == {member: "own"}
    definitions = {"TrainingJobDefinition": {}, "TrainingJobDefinitions": [{"RoleArn": "own"}, {"x": 1}]}
    assert MADE["Tuning"].roled(definitions, "mine") == {
        "TrainingJobDefinition": {"RoleArn": "mine"}, "TrainingJobDefinitions": [{"RoleArn": "own"}, {"RoleArn": "mine", "x": 1}]}
    assert MADE["Tuning"].roled({"TrainingJobDefinition": 5, "TrainingJobDefinitions": [5]}, "mine") == {
        "TrainingJobDefinition": 5, "TrainingJobDefinitions": [5]}, "what is wrong is left to the operation"
    for type_ in set(MADE) - {"Training", "Processing", "Model", "Tuning"}:
        assert MADE[type_].roled({"x": 1}, "mine") == {"x": 1}


def test_types_without_a_cache() -> None:
    assert {type_ for type_, kind in MADE.items() if kind.digest(TRAINING)} == {"Training", "Processing", "Transform", "Tuning"}


# -- CacheConfig


@pytest.mark.parametrize(("text", "seconds"), [
    ("P30D", 30 * 86_400), ("30d", 30 * 86_400), ("p30d", 30 * 86_400), ("T16m", 960), ("PT1H", 3600), ("T12H", 12 * 3600), ("30dT5h", 30 * 86_400 + 5 * 3600),
    ("P1M", 30 * 86_400), ("PT1M", 60), ("P1Y2M3W4DT5H6M7S", (365 + 60 + 21 + 4) * 86_400 + 5 * 3600 + 6 * 60 + 7), ("PT0S", 0),
])
def test_durations(text: str, seconds: float) -> None:
    assert policies.lifetime({"CacheConfig": {"Enabled": True, "ExpireAfter": text}}) == seconds


@pytest.mark.parametrize("text", ["", "P", "PT", "30", "1h", "P1H", "forever", "-P1D", "P1D2D", "P1.5D", f"P{'9' * 400}D", 30, ["P1D"]])
def test_what_is_no_duration(text: Any) -> None:
    with pytest.raises(Invalid, match="ExpireAfter"):
        policies.check({"Name": "S", "CacheConfig": {"Enabled": True, "ExpireAfter": text}})


def test_no_cache_and_one_for_ever() -> None:
    assert policies.lifetime({}) is policies.lifetime({"CacheConfig": {"Enabled": False, "ExpireAfter": "P1D"}}) is policies.lifetime({"CacheConfig": None}) is None
    assert policies.lifetime({"CacheConfig": {"Enabled": True}}) == float("inf")


# -- RetryPolicies


def step(*given: dict[str, Any]) -> dict[str, Any]:
    found = {"Name": "S", "RetryPolicies": list(given)}
    policies.check(found)
    return found


def test_attempts_are_counted_and_wait_longer_each_time() -> None:
    policy = step({"ExceptionType": [policies.RESOURCE_LIMIT], "IntervalSeconds": 10, "BackoffRate": 3.0, "MaxAttempts": 2})
    assert policies.again(policy, policies.RESOURCE_LIMIT, 1, 0.0, 100.0) == 110.0
    assert policies.again(policy, policies.RESOURCE_LIMIT, 2, 0.0, 100.0) == 130.0
    assert policies.again(policy, policies.RESOURCE_LIMIT, 3, 0.0, 100.0) is None
    assert policies.again(policy, policies.CAPACITY_ERROR, 1, 0.0, 100.0) is None, "another failure"


def test_a_policy_that_ends_by_the_clock() -> None:
    policy = step({"ExceptionType": policies.CAPACITY_ERROR, "IntervalSeconds": 30, "BackoffRate": 1.0, "ExpireAfterMin": 10})
    assert policies.again(policy, policies.CAPACITY_ERROR, 19, 1000.0, 1570.0) == 1600.0
    assert policies.again(policy, policies.CAPACITY_ERROR, 19, 1000.0, 1570.1) is None


def test_neither_limit_is_five_attempts() -> None:
    """The SDKs let both be left out."""
    policy = step({"ExceptionType": [policies.INTERNAL_ERROR]})
    assert [policies.again(policy, policies.INTERNAL_ERROR, n, 0.0, 0.0) for n in range(1, 7)] == [1.0, 2.0, 4.0, 8.0, 16.0, None]


@pytest.mark.parametrize("exception", [policies.THROTTLING, policies.SERVICE_FAULT])
def test_every_step_is_tried_again_after_faults_of_the_service(exception: str) -> None:
    assert policies.again({}, exception, 1, 0.0, 0.0) == 1.0
    assert policies.again({}, exception, 6, 0.0, 0.0) is None
    own = step({"ExceptionType": [exception], "MaxAttempts": 1})
    assert policies.again(own, exception, 2, 0.0, 0.0) is None, "its own policy counts, not both"


@pytest.mark.parametrize("policy", [
    {}, {"ExceptionType": []}, {"ExceptionType": ["Nonsense"]}, {"ExceptionType": 5}, {"ExceptionType": [[]]},
    *({"ExceptionType": ["Step.THROTTLING"], **more} for more in (
        {"MaxAttempts": 1, "ExpireAfterMin": 1}, {"MaxAttempts": 0}, {"MaxAttempts": 21}, {"MaxAttempts": "3"}, {"ExpireAfterMin": 14_401},
        {"IntervalSeconds": -1}, {"BackoffRate": -1}, {"BackoffRate": "2"}, {"BackoffRate": 1e300}, {"MaxAttempts": True}, {"MaxAttempts": None},
    )),
])
def test_policies_that_mean_nothing(policy: dict[str, Any]) -> None:
    with pytest.raises(Invalid, match="RetryPolicy of the step S"):
        step(policy)


@given(st.integers(1, 10_000), st.floats(0, 1000))
def test_no_wait_is_longer_than_a_day_nor_shorter_than_a_second(attempt: int, rate: float) -> None:
    policy = step({"ExceptionType": [policies.CAPACITY_ERROR], "BackoffRate": rate, "IntervalSeconds": 86_400, "ExpireAfterMin": 14_400})
    when = policies.again(policy, policies.CAPACITY_ERROR, attempt, 0.0, 0.0)
    assert when is not None
    assert 1.0 <= when <= 86_400.0


@pytest.mark.parametrize(("reason", "kind"), [
    ("InternalServerError: agent lost", policies.INTERNAL_ERROR), ("CapacityError: no GPU", policies.CAPACITY_ERROR), ("AlgorithmError: exit code 1", ""), ("", ""),
    ("AlgorithmError: InternalServerError", ""),
])
def test_kinds_of_failure(reason: str, kind: str) -> None:
    assert policies.kind_of(reason) == kind
