"""Hyperparameter tuning jobs by boto3, with real training jobs for trials."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagewright.testing.jobs import XGBOOST, Jobs
from sagewright.testing.server import TestServer
from sagewright.testing.tuning import BOWL, RANGES, Tunings

EPOCHS = """
import json, time
h = json.load(open("/opt/ml/input/config/hyperparameters.json"))
for epoch in range(int(h["epochs"])):
    print("loss=%.6f;" % (float(h["x"]) + 1.0 / (epoch + 1)), flush=True)
    time.sleep(0.05)
"""
ONLY_X = {"ContinuousParameterRanges": [{"Name": "x", "MinValue": "0", "MaxValue": "1"}]}
WAITS = "import time\nprint('loss=1;', flush=True)\ntime.sleep(300)"


@pytest.fixture(scope="module")
def tunings(server: TestServer) -> Tunings:
    return Tunings(Jobs(server, "tuning-bucket"))


@pytest.fixture(scope="module")
def random_job(tunings: Tunings) -> dict[str, Any]:
    """A whole tuning job that several tests look at."""
    return tunings.ended(tunings.create(tunings.config(trials=6), tunings.definition(), Tags=[{"Key": "team", "Value": "a"}]))


def refused(tunings: Tunings, config: dict[str, Any], definition: dict[str, Any] | None = None, **more: Any) -> str:
    with pytest.raises(ClientError) as caught:
        tunings.create(config, definition, **more)
    assert caught.value.response["Error"]["Code"] == "ValidationException"
    return str(caught.value.response["Error"]["Message"])


def test_describe_has_every_field(tunings: Tunings, random_job: dict[str, Any]) -> None:
    job = random_job
    assert job["HyperParameterTuningJobStatus"] == "Completed"
    assert job["TrainingJobStatusCounters"] == {
        "Completed": 6, "InProgress": 0, "RetryableError": 0, "NonRetryableError": 0, "Stopped": 0,
    }
    assert job["ObjectiveStatusCounters"] == {"Succeeded": 6, "Pending": 0, "Failed": 0}
    assert job["ConsumedResources"]["RuntimeInSeconds"] >= 0
    assert job["HyperParameterTuningEndTime"] >= job["CreationTime"]
    assert job["TuningJobCompletionDetails"]["NumberOfTrainingJobsObjectiveNotImproving"] >= 0
    definition = job["TrainingJobDefinition"]
    assert definition["StaticHyperParameters"]["_tuning_objective_metric"] == "loss"
    assert {"Name": "ObjectiveMetric", "Regex": r"loss=(\S+);"} in definition["AlgorithmSpecification"]["MetricDefinitions"]
    best = job["BestTrainingJob"]
    values = {t["TrainingJobName"]: t["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] for t in tunings.trials(job["HyperParameterTuningJobName"])}
    assert best["TrainingJobName"] == min(values, key=lambda n: values[n])
    assert best["FinalHyperParameterTuningJobObjectiveMetric"] == {
        "Type": "Minimize", "MetricName": "loss", "Value": min(values.values()),
    }


def test_a_trial_is_a_training_job(tunings: Tunings, random_job: dict[str, Any]) -> None:
    name = random_job["HyperParameterTuningJobName"]
    trials = tunings.trials(name, SortBy="Name")
    assert [int(t["TrainingJobName"].rsplit("-", 2)[1]) for t in trials] == [1, 2, 3, 4, 5, 6]
    for trial in trials:
        assert re.fullmatch(re.escape(name) + r"-\d{3}-[0-9a-f]{8}", trial["TrainingJobName"])
        job = tunings.sagemaker.describe_training_job(TrainingJobName=trial["TrainingJobName"])
        assert job["TrainingJobArn"] == trial["TrainingJobArn"]
        assert job["TuningJobArn"] == random_job["HyperParameterTuningJobArn"]
        assert trial["TunedHyperParameters"].items() <= job["HyperParameters"].items()
        assert job["HyperParameters"]["_tuning_objective_metric"] == "loss"
        assert trial["TunedHyperParameters"]["n"].isdigit(), "an integer has no decimal point"
        assert 0 <= float(trial["TunedHyperParameters"]["x"]) <= 1
        said = {m["MetricName"]: m["Value"] for m in job["FinalMetricDataList"]}
        assert said["ObjectiveMetric"] == said["loss"] == trial["FinalHyperParameterTuningJobObjectiveMetric"]["Value"]
        assert trial["TrainingEndTime"] >= trial["TrainingStartTime"] >= trial["CreationTime"]
    tags = tunings.sagemaker.list_tags(ResourceArn=trials[0]["TrainingJobArn"])["Tags"]
    assert tags == [{"Key": "team", "Value": "a"}]


def test_a_seed_makes_the_same_choices(tunings: Tunings, random_job: dict[str, Any]) -> None:
    again = tunings.create(tunings.config(trials=6), tunings.definition())
    tunings.ended(again)
    first, second = (
        [t["TunedHyperParameters"] for t in tunings.trials(name)] for name in (random_job["HyperParameterTuningJobName"], again)
    )
    assert first == second


def test_trials_are_listed_sorted_filtered_and_in_pages(tunings: Tunings, random_job: dict[str, Any]) -> None:
    name = random_job["HyperParameterTuningJobName"]
    ask = tunings.sagemaker.list_training_jobs_for_hyper_parameter_tuning_job
    seen: list[float] = []
    token: dict[str, str] = {}
    while True:
        page = ask(HyperParameterTuningJobName=name, SortBy="FinalObjectiveMetricValue", SortOrder="Descending", MaxResults=4, **token)
        seen += [t["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] for t in page["TrainingJobSummaries"]]
        if "NextToken" not in page:
            break
        token = {"NextToken": page["NextToken"]}
    assert len(seen) == 6
    assert seen == sorted(seen, reverse=True)
    times = [t["CreationTime"] for t in tunings.trials(name, SortBy="CreationTime", PaginationConfig={"PageSize": 2})]
    assert len(times) == 6
    assert times == sorted(times)
    assert tunings.trials(name, StatusEquals="Failed") == []
    with pytest.raises(ClientError, match="NextToken"):
        ask(HyperParameterTuningJobName=name, NextToken="nonsense")
    with pytest.raises(ClientError, match="Could not find hyperparameter tuning job"):
        ask(HyperParameterTuningJobName="nobody")


def test_list_tuning_jobs(tunings: Tunings, random_job: dict[str, Any]) -> None:
    name = random_job["HyperParameterTuningJobName"]
    found = tunings.sagemaker.list_hyper_parameter_tuning_jobs(NameContains=name, StatusEquals="Completed")["HyperParameterTuningJobSummaries"]
    assert [f["HyperParameterTuningJobName"] for f in found] == [name]
    assert found[0]["Strategy"] == "Random"
    assert found[0]["ResourceLimits"]["MaxNumberOfTrainingJobs"] == 6
    assert found[0]["TrainingJobStatusCounters"]["Completed"] == 6
    with pytest.raises(ClientError) as caught:
        tunings.create(tunings.config(), tunings.definition(), HyperParameterTuningJobName=name)
    assert caught.value.response["Error"]["Code"] == "ResourceInUse"


def test_grid_tries_every_combination_in_order(tunings: Tunings) -> None:
    ranges = {"CategoricalParameterRanges": [{"Name": "x", "Values": ["0.1", "0.3"]}, {"Name": "n", "Values": ["7", "8", "9"]}]}
    config = tunings.config("Grid", parallel=2, ParameterRanges=ranges)
    config["ResourceLimits"] = {"MaxParallelTrainingJobs": 2}
    name = tunings.create(config, tunings.definition())
    job = tunings.ended(name)
    tried = [(t["TunedHyperParameters"]["x"], t["TunedHyperParameters"]["n"]) for t in tunings.trials(name)]
    assert tried == [("0.1", "7"), ("0.1", "8"), ("0.1", "9"), ("0.3", "7"), ("0.3", "8"), ("0.3", "9")]
    assert job["BestTrainingJob"]["TunedHyperParameters"] == {"x": "0.3", "n": "7"}
    assert job["HyperParameterTuningJobConfig"]["ResourceLimits"]["MaxNumberOfTrainingJobs"] == 6
    config["ResourceLimits"]["MaxNumberOfTrainingJobs"] = 5
    assert "equal to the number of combinations" in refused(tunings, config, tunings.definition())
    assert "Grid" in refused(tunings, tunings.config("Grid"), tunings.definition())


def test_bayesian_closes_in(tunings: Tunings) -> None:
    name = tunings.create(tunings.config("Bayesian", trials=24, parallel=2), tunings.definition())
    job = tunings.ended(name)
    assert job["HyperParameterTuningJobStatus"] == "Completed", job.get("FailureReason")
    # one in a hundred random trials is as good
    assert job["BestTrainingJob"]["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] < 0.01
    assert len({json.dumps(t["TunedHyperParameters"]) for t in tunings.trials(name)}) == 24


def test_hyperband_stops_the_worse_ones(tunings: Tunings) -> None:
    config = tunings.config("Hyperband", trials=8, parallel=2, ParameterRanges=ONLY_X, StrategyConfig={
        "HyperbandStrategyConfig": {"MinResource": 1}})
    name = tunings.create(config, tunings.definition(EPOCHS, {"epochs": "9"}))
    job = tunings.ended(name)
    assert job["HyperParameterTuningJobConfig"]["StrategyConfig"]["HyperbandStrategyConfig"] == {"MinResource": 1, "MaxResource": 9}
    counters = job["TrainingJobStatusCounters"]
    assert counters["Stopped"] + counters["Completed"] == 8
    assert counters["Stopped"] > 0
    assert job["ObjectiveStatusCounters"]["Succeeded"] == 8
    values = {t["TunedHyperParameters"]["x"]: t["TrainingJobStatus"] for t in tunings.trials(name)}
    assert values[job["BestTrainingJob"]["TunedHyperParameters"]["x"]] == "Completed"


def test_early_stopping(tunings: Tunings) -> None:
    """Categories run in a known order: four good ones to compare with, then bad ones."""
    ranges = {"CategoricalParameterRanges": [{"Name": "x", "Values": ["0.1", "0.2", "0.3", "0.15", "5.0", "6.0"]}]}
    config = tunings.config("Grid", parallel=1, trials=6, ParameterRanges=ranges, TrainingJobEarlyStoppingType="Auto")
    name = tunings.create(config, tunings.definition(EPOCHS, {"epochs": "8"}))
    tunings.ended(name)
    status = {t["TunedHyperParameters"]["x"]: t["TrainingJobStatus"] for t in tunings.trials(name)}
    assert [status[x] for x in ("0.1", "0.2", "0.3", "0.15")] == ["Completed"] * 4
    assert [status[x] for x in ("5.0", "6.0")] == ["Stopped"] * 2


def test_completion_criteria(tunings: Tunings) -> None:
    target = tunings.config(trials=60, parallel=2, TuningJobCompletionCriteria={"TargetObjectiveMetricValue": 0.2})
    name = tunings.create(target, tunings.definition())
    job = tunings.ended(name)
    assert job["HyperParameterTuningJobStatus"] == "Completed"
    assert job["BestTrainingJob"]["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] <= 0.2
    assert sum(job["TrainingJobStatusCounters"].values()) < 60
    stale = tunings.config(trials=60, parallel=1, TuningJobCompletionCriteria={"BestObjectiveNotImproving": {"MaxNumberOfTrainingJobsNotImproving": 3}})
    job = tunings.ended(tunings.create(stale, tunings.definition("print('loss=1;')")))
    assert job["TuningJobCompletionDetails"]["NumberOfTrainingJobsObjectiveNotImproving"] == 3
    assert job["TrainingJobStatusCounters"]["Completed"] == 4


def test_five_failures_fail_it(tunings: Tunings) -> None:
    job = tunings.ended(tunings.create(tunings.config(trials=20, parallel=1), tunings.definition("raise ValueError('no data')")))
    assert job["HyperParameterTuningJobStatus"] == "Failed"
    assert job["TrainingJobStatusCounters"]["NonRetryableError"] == 5
    assert "No training job succeeded after 5 attempts" in job["FailureReason"]
    assert "no data" in job["FailureReason"]
    silent = tunings.ended(tunings.create(tunings.config(trials=20, parallel=1), tunings.definition("print('nothing')")))
    assert silent["HyperParameterTuningJobStatus"] == "Failed"
    assert "No objective metrics found after running 5 training jobs" in silent["FailureReason"]
    assert silent["ObjectiveStatusCounters"] == {"Succeeded": 0, "Pending": 0, "Failed": 5}


def test_the_last_value_counts(tunings: Tunings) -> None:
    code = "print('loss=0.1;'); print('loss=nan;'); print('loss=0.7;')"
    job = tunings.ended(tunings.create(tunings.config(trials=1), tunings.definition(code)))
    assert job["BestTrainingJob"]["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] == pytest.approx(0.7)


def test_stop(tunings: Tunings) -> None:
    name = tunings.create(tunings.config(trials=9, parallel=2), tunings.definition(WAITS))
    end = time.monotonic() + 60
    while not any(t["TrainingJobStatus"] == "InProgress" and tunings.sagemaker.describe_training_job(
            TrainingJobName=t["TrainingJobName"])["SecondaryStatus"] == "Training" for t in tunings.trials(name)):
        assert time.monotonic() < end
    with pytest.raises(ClientError, match="cannot be deleted"):
        tunings.sagemaker.delete_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
    tunings.sagemaker.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
    job = tunings.ended(name)
    assert job["HyperParameterTuningJobStatus"] == "Stopped"
    assert job["TrainingJobStatusCounters"] == {"Completed": 0, "InProgress": 0, "RetryableError": 0, "NonRetryableError": 0, "Stopped": 2}
    with pytest.raises(ClientError) as caught:
        tunings.sagemaker.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
    assert caught.value.response["Error"]["Code"] == "ValidationException"


def test_delete_leaves_the_training_jobs(tunings: Tunings) -> None:
    name = tunings.create(tunings.config(trials=2), tunings.definition())
    tunings.ended(name)
    child = tunings.trials(name)[0]["TrainingJobName"]
    tunings.sagemaker.delete_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
    with pytest.raises(ClientError) as caught:
        tunings.describe(name)
    assert caught.value.response["Error"]["Code"] == "ResourceNotFound"
    assert tunings.sagemaker.describe_training_job(TrainingJobName=child)["TrainingJobStatus"] == "Completed"
    tunings.create(tunings.config(trials=1), tunings.definition(), HyperParameterTuningJobName=name)
    tunings.ended(name)
    assert len(tunings.trials(name)) == 1
    assert tunings.trials(name)[0]["TrainingJobName"] != child


def test_warm_start(tunings: Tunings, random_job: dict[str, Any]) -> None:
    parent = random_job["HyperParameterTuningJobName"]
    source = random_job["TrainingJobDefinition"]["StaticHyperParameters"]["sagemaker_submit_directory"]
    definition = tunings.definition(static={"sagemaker_submit_directory": source})
    warm: dict[str, Any] = {"WarmStartType": "IdenticalDataAndAlgorithm", "ParentHyperParameterTuningJobs": [{"HyperParameterTuningJobName": parent}]}
    name = tunings.create(tunings.config("Bayesian", trials=4, parallel=1), definition, WarmStartConfig=warm)
    job = tunings.ended(name)
    best, before = (j["BestTrainingJob"]["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] for j in (job, random_job))
    overall = job["OverallBestTrainingJob"]
    assert overall["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] == min(best, before)
    assert overall["TuningJobName"] == (name if best < before else parent)
    tried = [t["TunedHyperParameters"] for t in tunings.trials(name)]
    assert not [t for t in tried if t in [p["TunedHyperParameters"] for p in tunings.trials(parent)]]
    warm["WarmStartType"] = "TransferLearning"
    name = tunings.create(tunings.config("Bayesian", trials=2, parallel=1), definition, WarmStartConfig=warm)
    job = tunings.ended(name)
    assert "OverallBestTrainingJob" not in job
    assert tunings.trials(name)[0]["TunedHyperParameters"] == random_job["BestTrainingJob"]["TunedHyperParameters"]


def test_warm_start_is_checked(tunings: Tunings, random_job: dict[str, Any]) -> None:
    parent = random_job["HyperParameterTuningJobName"]

    def why(config: dict[str, Any], definition: dict[str, Any], kind: str = "TransferLearning", name: str = parent) -> str:
        parents = [{"HyperParameterTuningJobName": name}]
        return refused(tunings, config, definition, WarmStartConfig={"WarmStartType": kind, "ParentHyperParameterTuningJobs": parents})

    assert "Could not find the parent" in why(tunings.config(), tunings.definition(), name="nobody")
    other = tunings.config(HyperParameterTuningJobObjective={"Type": "Maximize", "MetricName": "loss"})
    assert "objective must be the same" in why(other, tunings.definition())
    assert "number of static and tunable" in why(tunings.config(), tunings.definition(static={"more": "1"}))
    kinds = {"CategoricalParameterRanges": [{"Name": "x", "Values": ["0"]}], "IntegerParameterRanges": RANGES["IntegerParameterRanges"]}
    assert "was Continuous" in why(tunings.config(ParameterRanges=kinds), tunings.definition())
    image = tunings.definition()
    image["AlgorithmSpecification"]["TrainingImage"] = XGBOOST
    assert "training image" in why(tunings.config(), image, "IdenticalDataAndAlgorithm")
    running = tunings.create(tunings.config(trials=1), tunings.definition(WAITS))
    assert "InProgress" in why(tunings.config(), tunings.definition(), name=running)
    tunings.sagemaker.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=running)


def test_several_definitions(tunings: Tunings) -> None:
    objective = {"Type": "Minimize", "MetricName": "loss"}
    shifted = BOWL.replace('"loss=%.9f;" % (', '"loss=%.9f;" % (1 + ')
    several = [
        tunings.definition(DefinitionName="good", TuningObjective=objective, HyperParameterRanges=RANGES),
        tunings.definition(shifted, DefinitionName="bad", TuningObjective=objective, HyperParameterRanges=ONLY_X),
    ]
    config = {"Strategy": "Random", "ResourceLimits": {"MaxNumberOfTrainingJobs": 6, "MaxParallelTrainingJobs": 3}}
    name = tunings.create(config, TrainingJobDefinitions=several)
    job = tunings.ended(name)
    trials = tunings.trials(name)
    assert sorted(t["TrainingJobDefinitionName"] for t in trials) == ["bad"] * 3 + ["good"] * 3
    assert all(set(t["TunedHyperParameters"]) == ({"x", "n"} if t["TrainingJobDefinitionName"] == "good" else {"x"}) for t in trials)
    assert job["BestTrainingJob"]["TrainingJobDefinitionName"] == "good"
    assert [d["DefinitionName"] for d in job["TrainingJobDefinitions"]] == ["good", "bad"]
    both = tunings.config()
    assert "HyperParameterTuningJobObjective" in refused(tunings, both, TrainingJobDefinitions=several)
    several[1]["DefinitionName"] = "good"
    assert "unique" in refused(tunings, config, TrainingJobDefinitions=several)


def test_autotune(tunings: Tunings) -> None:
    config = tunings.config(trials=3, ParameterRanges={"AutoParameters": [{"Name": "x", "ValueHint": "0.1"}, {"Name": "n", "ValueHint": "5"}]})
    name = tunings.create(config, tunings.definition(), Autotune={"Mode": "Enabled"})
    job = tunings.ended(name)
    assert job["Autotune"] == {"Mode": "Enabled"}
    ranges = job["HyperParameterTuningJobConfig"]["ParameterRanges"]
    assert ranges["ContinuousParameterRanges"][0] == {"Name": "x", "MinValue": "0.01", "MaxValue": "1.0", "ScalingType": "Auto"}
    assert ranges["IntegerParameterRanges"][0]["MaxValue"] == "50"
    assert job["HyperParameterTuningJobConfig"]["TrainingJobEarlyStoppingType"] == "Auto"
    assert job["TrainingJobDefinition"]["RetryStrategy"] == {"MaximumRetryAttempts": 3}


def test_built_in_xgboost(tunings: Tunings) -> None:
    rows = "\n".join(f"{i % 2},{i % 2 + (i * 7 % 10) / 20:.2f},{i * 3 % 11}" for i in range(80)) + "\n"
    where = tunings.jobs.put("xgboost/train/data.csv", rows)
    channel = {"ContentType": "text/csv", "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": where}}}
    definition = tunings.definition()
    definition |= {
        "AlgorithmSpecification": {"TrainingImage": XGBOOST, "TrainingInputMode": "File"},
        "InputDataConfig": [{"ChannelName": "train", **channel}, {"ChannelName": "validation", **channel}],
        "StaticHyperParameters": {"objective": "binary:logistic", "num_round": "3"},  # the tuned metric is printed unasked
    }
    ranges = {"ContinuousParameterRanges": [{"Name": "eta", "MinValue": "0.1", "MaxValue": "0.9"}],
              "IntegerParameterRanges": [{"Name": "max_depth", "MinValue": "1", "MaxValue": "4"}]}
    objective = {"Type": "Maximize", "MetricName": "validation:auc"}
    name = tunings.create(tunings.config(trials=2, ParameterRanges=ranges, HyperParameterTuningJobObjective=objective), definition)
    job = tunings.ended(name)
    assert job["ObjectiveStatusCounters"]["Succeeded"] == 2, job
    assert 0.5 < job["BestTrainingJob"]["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] <= 1.0


def test_what_a_trial_would_refuse_is_refused_now(tunings: Tunings) -> None:
    unknown = tunings.config(HyperParameterTuningJobObjective={"Type": "Minimize", "MetricName": "other"})
    assert "A metric is required" in refused(tunings, unknown, tunings.definition())
    broken = tunings.definition()
    broken["AlgorithmSpecification"]["MetricDefinitions"] = [{"Name": "loss", "Regex": "loss=("}]
    assert "metric definition loss is not a regular expression" in refused(tunings, tunings.config(), broken)
    role = tunings.definition(RoleArn=tunings.jobs.role + "Nobody")
    assert "Could not assume role" in refused(tunings, tunings.config(), role)
    assert "both static and tunable" in refused(tunings, tunings.config(), tunings.definition(static={"x": "1"}))
    both = tunings.definition(HyperParameterTuningResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 1})
    assert "ResourceConfig" in refused(tunings, tunings.config(), both)
    assert "exactly one" in refused(tunings, tunings.config())
    early = tunings.config("Hyperband", TrainingJobEarlyStoppingType="Auto")
    assert "must be Off" in refused(tunings, early, tunings.definition())
    assert "MaxResource is required" in refused(tunings, tunings.config("Hyperband"), tunings.definition())
    assert "StrategyConfig" in refused(tunings, tunings.config(StrategyConfig={}), tunings.definition())
    endless = tunings.config()
    del endless["ResourceLimits"]["MaxNumberOfTrainingJobs"]
    assert "MaxNumberOfTrainingJobs" in refused(tunings, endless, tunings.definition())


def test_instance_configs_and_checkpoints(tunings: Tunings) -> None:
    definition = tunings.definition(
        HyperParameterTuningResourceConfig={"AllocationStrategy": "Prioritized", "InstanceConfigs": [
            {"InstanceType": "ml.c5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 2},
            {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}]},
        CheckpointConfig={"S3Uri": f"s3://{tunings.jobs.bucket}/checkpoints"}, Environment={"FLAVOUR": "plain"},
        RetryStrategy={"MaximumRetryAttempts": 2},
    )
    del definition["ResourceConfig"]
    name = tunings.create(tunings.config(trials=1), definition)
    shown = tunings.ended(name)["TrainingJobDefinition"]
    assert shown["ResourceConfig"] == {"InstanceType": "ml.c5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 2}, "SDK v2 attaches by it"
    again = {member: shown[member] for member in definition} | {"ResourceConfig": shown["ResourceConfig"]}
    tunings.ended(tunings.create(tunings.config(trials=1), again))
    child = tunings.trials(name)[0]["TrainingJobName"]
    job = tunings.sagemaker.describe_training_job(TrainingJobName=child)
    assert job["ResourceConfig"]["InstanceType"] == "ml.c5.xlarge"
    assert job["CheckpointConfig"]["S3Uri"] == f"s3://{tunings.jobs.bucket}/checkpoints/{child}"
    assert job["Environment"]["FLAVOUR"] == "plain"
    assert job["RetryStrategy"] == {"MaximumRetryAttempts": 2}


def test_a_caller_who_may_not_train_gets_no_trials(tunings: Tunings, server: TestServer) -> None:
    """A trial is created with the caller's own permissions."""
    iam = server.client("iam")
    user = tunings.jobs.name("tuner")[:60]
    iam.create_user(UserName=user)
    allowed = {"Effect": "Allow", "Action": ["sagemaker:*HyperParameterTuningJob*", "iam:PassRole"], "Resource": "*"}
    iam.put_user_policy(UserName=user, PolicyName="tune", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [allowed]}))
    key = iam.create_access_key(UserName=user)["AccessKey"]
    theirs = server.client("sagemaker", aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"])
    name = user[-30:].lstrip("-")
    theirs.create_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=name, HyperParameterTuningJobConfig=tunings.config(), TrainingJobDefinition=tunings.definition()
    )
    job = tunings.ended(name)
    assert job["HyperParameterTuningJobStatus"] == "Failed"
    assert "sagemaker:CreateTrainingJob" in job["FailureReason"]
    assert tunings.trials(name) == []
