"""Training jobs by boto3: what a container finds, what comes back, what lists say."""

from __future__ import annotations

import json
import textwrap
import time
from itertools import chain

import pytest
from botocore.exceptions import ClientError

from sagewright.testing.jobs import Jobs
from sagewright.testing.server import TestServer

SHOW = textwrap.dedent("""
    import json, os, pathlib
    ml = pathlib.Path('/opt/ml')
    tree = {str(p.relative_to(ml)): p.read_text() for p in sorted((ml / 'input').rglob('*')) if p.is_file() and 'code' not in p.parts}
    (ml / 'model' / 'seen.json').write_text(json.dumps({'tree': tree, 'env': dict(os.environ)}))
    print('loss=3.5;'); print('loss=2.25;'); print('nothing=here;')
    (ml / 'output' / 'data' / 'extra.txt').write_text('more')
""")


@pytest.fixture(scope="module")
def jobs(server: TestServer) -> Jobs:
    return Jobs(server, "training-bucket")


def seen(jobs: Jobs, job: dict[str, object]) -> dict[str, dict[str, str]]:
    members = jobs.members(job["ModelArtifacts"]["S3ModelArtifacts"])  # type: ignore[index]
    assert set(members) == {"seen.json"}, "members are relative to /opt/ml/model"
    return json.loads(members["seen.json"])  # type: ignore[no-any-return]


def test_the_container_finds_what_aws_puts_there(jobs: Jobs) -> None:
    for key in ("train/a.csv", "train/deep/b.csv", "train-old/c.csv"):
        jobs.put(f"tree/{key}", key)
    params = {"num_round": "10", "quoted": '"text"', "json": '{"a": [1, 2]}', "empty": "", "float": "1e-3"}
    name = jobs.train(
        SHOW, HyperParameters=params, Environment={"MY_VARIABLE": "line one\nline two"},
        InputDataConfig=[jobs.channel("train", f"s3://{jobs.bucket}/tree/train") | {"ContentType": "text/csv"}],
        AlgorithmSpecification={"MetricDefinitions": [{"Name": "loss", "Regex": "loss=([0-9.]+);"},
                                                      {"Name": "odd", "Regex": "nothing=([a-z]+);"}]},
        CheckpointConfig={"S3Uri": f"s3://{jobs.bucket}/checkpoints"},
    )
    job = jobs.ended(name)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    found = seen(jobs, job)
    tree, env = found["tree"], found["env"]
    assert json.loads(tree["input/config/hyperparameters.json"]) == params, "exactly as sent"
    channels = json.loads(tree["input/config/inputdataconfig.json"])
    assert channels["train"] == {
        "TrainingInputMode": "File", "S3DistributionType": "FullyReplicated", "RecordWrapperType": "None", "ContentType": "text/csv"}
    assert "ContentType" not in channels["code"]
    resources = json.loads(tree["input/config/resourceconfig.json"])
    assert resources["current_host"] == "algo-1"
    assert resources["hosts"] == ["algo-1"]
    assert resources["current_instance_type"] == "ml.m5.large"
    assert resources["current_group_name"] == "homogeneousCluster"
    assert resources["network_interface_name"]
    assert json.loads(tree["input/config/checkpointconfig.json"])["S3Uri"].endswith("/checkpoints")
    data = {k.removeprefix("input/data/train"): v for k, v in tree.items() if k.startswith("input/data/train")}
    assert set(data.values()) == {"train/a.csv", "train/deep/b.csv", "train-old/c.csv"}, "a prefix is a string, as in AWS"
    assert f"s3://{jobs.bucket}/tree/train is a prefix of names, not a folder: train has objects such as tree/train-old/c.csv too" in jobs.log(name)
    assert env["TRAINING_JOB_NAME"] == name
    assert env["TRAINING_JOB_ARN"] == job["TrainingJobArn"]
    assert env["MY_VARIABLE"] == "line one\nline two"
    assert env["AWS_REGION"] == env["AWS_DEFAULT_REGION"] == "us-east-1"
    assert env["AWS_ENDPOINT_URL"] == jobs.server.url
    metrics = {m["MetricName"]: m["Value"] for m in job["FinalMetricDataList"]}
    assert metrics == {"loss": 2.25}, "the last value; what is no number is dropped"
    assert jobs.members(f"s3://{jobs.bucket}/out/{name}/output/output.tar.gz") == {"extra.txt": b"more"}
    assert job["OutputDataConfig"]["KmsKeyId"] == ""


def test_the_metrics_reach_cloudwatch(jobs: Jobs) -> None:
    name = jobs.train("for v in (5.0, 4.0): print(f'rmse={v};')",
                      AlgorithmSpecification={"MetricDefinitions": [{"Name": "rmse", "Regex": "rmse=([0-9.]+);"}]})
    jobs.ended(name)
    stats = jobs.server.client("cloudwatch").get_metric_statistics(
        Namespace="/aws/sagemaker/TrainingJobs", MetricName="rmse", Dimensions=[{"Name": "TrainingJobName", "Value": name}],
        StartTime=time.time() - 600, EndTime=time.time() + 600, Period=3600, Statistics=["Minimum", "SampleCount"])
    assert sum(p["SampleCount"] for p in stats["Datapoints"]) == 2
    assert min(p["Minimum"] for p in stats["Datapoints"]) == 4.0


def test_one_log_stream_a_host_in_order(jobs: Jobs) -> None:
    name = jobs.train("for n in range(300): print(f'line {n:03d}')")
    jobs.ended(name)
    streams = jobs.logs.describe_log_streams(
        logGroupName="/aws/sagemaker/TrainingJobs", logStreamNamePrefix=f"{name}/", orderBy="LogStreamName", limit=1)["logStreams"]
    assert [s["logStreamName"].rsplit("-", 1)[0] for s in streams] == [f"{name}/algo-1"]
    lines, token = [], None
    while True:
        page = jobs.logs.get_log_events(
            logGroupName="/aws/sagemaker/TrainingJobs", logStreamName=streams[0]["logStreamName"], startFromHead=True, limit=100,
            **({"nextToken": token} if token else {}))
        lines += [e["message"] for e in page["events"]]
        if page["nextForwardToken"] == token:
            break
        token = page["nextForwardToken"]
    assert lines == [f"line {n:03d}" for n in range(300)]


def test_manifest_and_single_object(jobs: Jobs) -> None:
    for n in range(3):
        jobs.put(f"parts/p{n}.csv", str(n))
    manifest = jobs.put("lists/m.json", json.dumps([{"prefix": f"s3://{jobs.bucket}/parts/"}, "p0.csv", "p2.csv"]))
    name = jobs.train(SHOW, InputDataConfig=[
        jobs.channel("listed", manifest, S3DataType="ManifestFile"), jobs.channel("one", f"s3://{jobs.bucket}/parts/p1.csv")])
    job = jobs.ended(name)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    tree = seen(jobs, job)["tree"]
    assert sorted(v for k, v in tree.items() if k.startswith("input/data/listed/")) == ["0", "2"]
    assert [k for k in tree if k.startswith("input/data/one")] == ["input/data/one/p1.csv"]


def test_sharding_by_key_and_merged_archives(jobs: Jobs) -> None:
    for n in range(7):
        jobs.put(f"shards/s{n}.txt", str(n))
    code = textwrap.dedent("""
        import json, pathlib
        me = json.load(open('/opt/ml/input/config/resourceconfig.json'))['current_host']
        files = sorted(p.name for p in pathlib.Path('/opt/ml/input/data/train').iterdir())
        open(f'/opt/ml/model/{me}.json', 'w').write(json.dumps(files))
    """)
    name = jobs.train(
        code, ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 3, "VolumeSizeInGB": 1},
        InputDataConfig=[jobs.channel("train", f"s3://{jobs.bucket}/shards/", S3DataDistributionType="ShardedByS3Key")])
    job = jobs.ended(name)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    found = {k: json.loads(v) for k, v in jobs.members(job["ModelArtifacts"]["S3ModelArtifacts"]).items()}
    assert sorted(found) == ["algo-1.json", "algo-2.json", "algo-3.json"]
    assert sorted(chain.from_iterable(found.values())) == [f"s{n}.txt" for n in range(7)], "every object once"
    assert max(map(len, found.values())) - min(map(len, found.values())) <= 1


def test_uncompressed_output(jobs: Jobs) -> None:
    name = jobs.train("open('/opt/ml/model/weights.bin','w').write('w')",
                      OutputDataConfig={"S3OutputPath": f"s3://{jobs.bucket}/plain", "CompressionType": "NONE"})
    job = jobs.ended(name)
    where = job["ModelArtifacts"]["S3ModelArtifacts"]
    assert where.rstrip("/") == f"s3://{jobs.bucket}/plain/{name}/output/model"
    assert jobs.get(where.rstrip("/") + "/weights.bin") == b"w"


def test_checkpoints_are_restored(jobs: Jobs) -> None:
    code = textwrap.dedent("""
        import pathlib
        here = pathlib.Path('/opt/ml/checkpoints')
        print('found', sorted(p.name for p in here.iterdir()), flush=True)
        (here / f'step-{len(list(here.iterdir()))}').write_text('x')
    """)
    config = {"S3Uri": f"s3://{jobs.bucket}/resume"}
    for _ in range(2):
        name = jobs.train(code, CheckpointConfig=config)
        assert jobs.ended(name)["TrainingJobStatus"] == "Completed"
    assert "found ['step-0']" in jobs.log(name)
    keys = [o["Key"] for o in jobs.s3.list_objects_v2(Bucket=jobs.bucket, Prefix="resume/")["Contents"]]
    assert keys == ["resume/step-0", "resume/step-1"]


def test_list_filters_then_sorts_then_pages(jobs: Jobs) -> None:
    stem = jobs.name("listed")
    names = [f"{stem}-{letter}" for letter in "badc"]
    for name in names:
        jobs.train("print(1)", TrainingJobName=name)
    for name in names:
        jobs.ended(name)
    found, token = [], None
    while True:
        page = jobs.sagemaker.list_training_jobs(
            NameContains=stem, SortBy="Name", SortOrder="Ascending", MaxResults=3, **({"NextToken": token} if token else {}))
        found += [s["TrainingJobName"] for s in page["TrainingJobSummaries"]]
        token = page.get("NextToken")
        if not token:
            break
    assert found == sorted(names)
    by_time = jobs.sagemaker.list_training_jobs(NameContains=stem, StatusEquals="Completed")["TrainingJobSummaries"]
    assert [s["TrainingJobName"] for s in by_time] == names, "by creation time, ascending, as the API says"
    assert jobs.sagemaker.list_training_jobs(NameContains=stem, StatusEquals="Failed")["TrainingJobSummaries"] == []
    first = jobs.sagemaker.list_training_jobs(NameContains=stem, MaxResults=1)["NextToken"]
    with pytest.raises(ClientError, match="NextToken"):
        jobs.sagemaker.list_training_jobs(NameContains="other", MaxResults=1, NextToken=first)


def test_tags_and_regions(jobs: Jobs) -> None:
    name = jobs.train("print(1)", Tags=[{"Key": "team", "Value": "a"}])
    arn = jobs.ended(name)["TrainingJobArn"]
    jobs.sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "team", "Value": "b"}, {"Key": "cost", "Value": "1"}])
    jobs.sagemaker.delete_tags(ResourceArn=arn, TagKeys=["cost"])
    assert jobs.sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "team", "Value": "b"}]
    elsewhere = jobs.server.client("sagemaker", region="eu-west-1")
    assert elsewhere.list_training_jobs(NameContains=name)["TrainingJobSummaries"] == []
    with pytest.raises(ClientError):
        elsewhere.describe_training_job(TrainingJobName=name)


def test_delete_frees_the_name(jobs: Jobs) -> None:
    name = jobs.train("print(1)")
    jobs.ended(name)
    jobs.sagemaker.delete_training_job(TrainingJobName=name)
    with pytest.raises(ClientError):
        jobs.sagemaker.describe_training_job(TrainingJobName=name)
    jobs.train("print('again')", TrainingJobName=name)
    assert jobs.ended(name)["TrainingJobStatus"] == "Completed"


def test_every_fault_of_the_input_is_named(jobs: Jobs) -> None:
    with pytest.raises(ClientError) as caught:
        jobs.server.client("sagemaker", config={"parameter_validation": False}).create_training_job(
            TrainingJobName="bad name!", RoleArn="x", AlgorithmSpecification={"TrainingInputMode": "Teleport"},
            OutputDataConfig={"S3OutputPath": "s3://b/x"})
    error = caught.value.response["Error"]
    assert error["Code"] == "ValidationException"
    assert error["Message"].startswith("3 validation errors detected: ")
    for member in ("trainingJobName", "roleArn", "trainingInputMode"):
        assert member in error["Message"]


@pytest.mark.parametrize(("change", "says"), [
    ({"EnableManagedSpotTraining": True}, "MaxWaitTimeInSeconds"),
    ({"AlgorithmSpecification": {"AlgorithmName": "x"}}, "exactly one of TrainingImage and AlgorithmName"),
    ({"OutputDataConfig": {"S3OutputPath": "https://example.com/x"}}, "Invalid S3 URI"),
])
def test_requests_that_mean_nothing(jobs: Jobs, change: dict[str, object], says: str) -> None:
    with pytest.raises(ClientError, match=says):
        jobs.train("print(1)", **change)


def test_what_is_not_built_says_so(jobs: Jobs) -> None:
    with pytest.raises(ClientError) as caught:
        jobs.train("print(1)", InputDataConfig=[jobs.channel("chat", f"s3://{jobs.bucket}/chat", S3DataType="Converse")])
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501
    assert "Converse" in caught.value.response["Error"]["Message"]
    with pytest.raises(ClientError) as caught:
        jobs.sagemaker.list_clusters()
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501
    assert "ListClusters" in caught.value.response["Error"]["Message"]
