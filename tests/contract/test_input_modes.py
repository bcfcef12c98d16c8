"""Data into jobs by boto3: Pipe and FastFile, manifests, shuffles, shards, file systems, and what is refused."""

from __future__ import annotations

import gzip
import json
import os
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from botocore.exceptions import ClientError

from sagewright.testing.jobs import Jobs
from sagewright.testing.names import unique
from sagewright.testing.server import TestServer
from sagewright_container.recordio import frames

PIPES = textwrap.dedent("""
    import json, os, sys
    config = json.load(open('/opt/ml/input/config/inputdataconfig.json'))
    host = json.load(open('/opt/ml/input/config/resourceconfig.json'))['current_host']
    for name, about in config.items():
        if about['TrainingInputMode'] != 'Pipe':
            continue
        for epoch in range(int(os.environ.get('EPOCHS', 1))):
            path = f'/opt/ml/input/data/{name}_{epoch}'
            assert not os.path.exists(f'/opt/ml/input/data/{name}_{epoch + 1}')
            with open(path, 'rb') as pipe, open(f'/opt/ml/model/{name}_{epoch}.{host}', 'wb') as out:
                out.write(pipe.read())
    print('data', sorted(os.listdir('/opt/ml/input/data')))
""")


@pytest.fixture(scope="module")
def jobs(server: TestServer) -> Jobs:
    return Jobs(server, "input-modes")


def pipe(jobs: Jobs, name: str, uri: str, wrapper: str = "None", compression: str = "None", seed: int | None = None, **more: Any) -> dict[str, Any]:
    found = jobs.channel(name, uri, **more) | {"InputMode": "Pipe", "RecordWrapperType": wrapper, "CompressionType": compression}
    return found if seed is None else found | {"ShuffleConfig": {"Seed": seed}}


def read(jobs: Jobs, name: str) -> dict[str, bytes]:
    job = jobs.ended(name)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    return jobs.members(job["ModelArtifacts"]["S3ModelArtifacts"])


def test_pipes_of_every_kind_in_one_job(jobs: Jobs) -> None:
    for letter in "ab":
        jobs.put(f"plain/{letter}", letter * 5)
        jobs.s3.put_object(Bucket=jobs.bucket, Key=f"zipped/{letter}.gz", Body=gzip.compress(letter.encode() * 7))
    manifest = jobs.put("m.json", json.dumps([{"prefix": f"s3://{jobs.bucket}/plain/"}, "b", "a"]))
    rows = [{"pic-ref": f"s3://{jobs.bucket}/plain/b", "label": 3}, {"pic-ref": f"s3://{jobs.bucket}/plain/a", "label": "x"}]
    augmented = jobs.put("a.jsonl", "\n".join(map(json.dumps, rows)))
    name = jobs.train(PIPES, Environment={"EPOCHS": "2"}, InputDataConfig=[
        pipe(jobs, "plain", f"s3://{jobs.bucket}/plain/") | {"ContentType": "text/csv"},
        pipe(jobs, "framed", f"s3://{jobs.bucket}/plain/", wrapper="RecordIO"),
        pipe(jobs, "zipped", f"s3://{jobs.bucket}/zipped/", compression="Gzip"),
        pipe(jobs, "listed", manifest, S3DataType="ManifestFile"),
        pipe(jobs, "labelled", augmented, wrapper="RecordIO", S3DataType="AugmentedManifestFile", AttributeNames=["label", "pic-ref"]),
    ])
    found = read(jobs, name)
    for epoch in range(2):
        assert found[f"plain_{epoch}.algo-1"] == b"aaaaabbbbb"
        assert list(frames(found[f"framed_{epoch}.algo-1"])) == [b"aaaaa", b"bbbbb"]
        assert found[f"zipped_{epoch}.algo-1"] == b"aaaaaaabbbbbbb"
        assert found[f"listed_{epoch}.algo-1"] == b"bbbbbaaaaa"
        assert list(frames(found[f"labelled_{epoch}.algo-1"])) == [b"3", b"bbbbb", b"x", b"aaaaa"]
    assert "listed-manifest" in jobs.log(name)


def test_shards_and_shuffles_over_hosts_and_epochs(jobs: Jobs) -> None:
    for number in range(8):
        jobs.put(f"eight/{number}", str(number))
    name = jobs.train(
        PIPES, Environment={"EPOCHS": "3"}, ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 1},
        InputDataConfig=[pipe(jobs, "train", f"s3://{jobs.bucket}/eight/", seed=11, S3DataDistributionType="ShardedByS3Key")])
    found = read(jobs, name)
    shares = []
    for epoch in range(3):
        one, two = found[f"train_{epoch}.algo-1"], found[f"train_{epoch}.algo-2"]
        assert len(one) == len(two) == 4
        assert sorted(one + two) == sorted(b"01234567")
        shares.append(frozenset(one))
    assert len(set(shares)) > 1, "objects move between hosts from epoch to epoch"


def test_a_job_in_pipe_mode_with_one_channel_of_files(jobs: Jobs) -> None:
    source = jobs.put("code/pipes/main.py", PIPES)
    jobs.put("plain/a", "aaaaa")
    name = jobs.train(
        AlgorithmSpecification={"TrainingInputMode": "Pipe", "ContainerEntrypoint": ["python3", "/opt/ml/input/data/code/main.py"]},
        InputDataConfig=[jobs.channel("code", source.removesuffix("main.py")) | {"InputMode": "File"},
                         jobs.channel("train", f"s3://{jobs.bucket}/plain/a")])
    assert read(jobs, name) == {"train_0.algo-1": b"aaaaa"}


def test_a_job_may_leave_its_pipes_unread(jobs: Jobs) -> None:
    jobs.put("plain/a", "aaaaa")
    name = jobs.train("print('no thanks')", InputDataConfig=[pipe(jobs, "train", f"s3://{jobs.bucket}/plain/")])
    assert jobs.ended(name)["TrainingJobStatus"] == "Completed"


def test_a_reader_that_closes_early_finds_the_next_epoch(jobs: Jobs) -> None:
    jobs.s3.put_object(Bucket=jobs.bucket, Key="large/blob", Body=bytes(range(256)) * 32768)
    name = jobs.train(textwrap.dedent("""
        for epoch in range(5):
            with open(f'/opt/ml/input/data/train_{epoch}', 'rb') as pipe:
                assert pipe.read(1000)[:3] == bytes(range(3))
    """), InputDataConfig=[pipe(jobs, "train", f"s3://{jobs.bucket}/large/")])
    assert jobs.ended(name)["TrainingJobStatus"] == "Completed", jobs.log(name)


def test_a_stop_ends_a_job_that_waits_on_its_pipe(jobs: Jobs) -> None:
    jobs.s3.put_object(Bucket=jobs.bucket, Key="large/blob", Body=bytes(range(256)) * 32768)
    name = jobs.train(textwrap.dedent("""
        import time
        pipe = open('/opt/ml/input/data/train_0', 'rb')
        print('reading', len(pipe.read(10)), flush=True)
        time.sleep(600)
    """), InputDataConfig=[pipe(jobs, "train", f"s3://{jobs.bucket}/large/")])
    jobs.until(name, ["Training"])
    jobs.sagemaker.stop_training_job(TrainingJobName=name)
    assert jobs.ended(name)["TrainingJobStatus"] == "Stopped"


@pytest.mark.parametrize(("change", "reason"), [
    ({"uri": "nothing-here/"}, "No objects found under"),
    ({"uri": "bad.jsonl", "S3DataType": "AugmentedManifestFile", "AttributeNames": ["label"]}, "not a JSON object"),
    ({"uri": "plain/", "compression": "Gzip"}, "not Gzip"),
])
def test_bad_data_fails_the_job_with_its_reason(jobs: Jobs, change: dict[str, Any], reason: str) -> None:
    jobs.put("plain/a", "aaaaa")
    jobs.put("bad.jsonl", "{nonsense\n")
    uri = f"s3://{jobs.bucket}/{change.pop('uri')}"
    job = jobs.ended(jobs.train(PIPES, InputDataConfig=[pipe(jobs, "train", uri, **change)]))
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("ClientError: Data download failed:")
    assert reason in job["FailureReason"]


@pytest.mark.parametrize(("channel", "says"), [
    ({"CompressionType": "Gzip"}, "CompressionType and RecordWrapperType need InputMode Pipe"),
    ({"RecordWrapperType": "RecordIO", "InputMode": "FastFile"}, "need InputMode Pipe"),
    ({"S3DataType": "AugmentedManifestFile", "AttributeNames": ["x"]}, "can only be used if the channel's InputMode is Pipe"),
    ({"S3DataType": "AugmentedManifestFile", "InputMode": "Pipe"}, "AttributeNames is required"),
    ({"AttributeNames": ["x"]}, "AttributeNames can only be used"),
    ({"S3DataType": "ManifestFile", "InputMode": "FastFile"}, "FastFile supports S3DataType S3Prefix only"),
    ({"InputMode": "Pipe", "second": "train_1"}, "that of a pipe"),
])
def test_channels_that_mean_nothing(jobs: Jobs, channel: dict[str, Any], says: str) -> None:
    second = channel.pop("second", "other")
    s3 = {name: channel.pop(name) for name in ("S3DataType", "AttributeNames") if name in channel}
    channels = [jobs.channel("train", f"s3://{jobs.bucket}/x", **s3) | channel, jobs.channel(second, f"s3://{jobs.bucket}/y")]
    with pytest.raises(ClientError, match=says) as caught:
        jobs.train("print(1)", InputDataConfig=channels)
    assert caught.value.response["Error"]["Code"] == "ValidationException"


def test_a_manifest_does_not_lead_past_the_roles_rights(jobs: Jobs, server: TestServer) -> None:
    """The platform reads the objects, so it must ask for each of them whether the role may."""
    iam = server.client("iam")
    trust = {"Statement": [{"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
    name = unique("narrow-reader")
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    allow = {"Effect": "Allow", "Action": "s3:*", "Resource": f"arn:aws:s3:::{jobs.bucket}*"}
    deny = {"Effect": "Deny", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{jobs.bucket}/locked/secret*"}
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [allow, deny]}))
    for key in ("locked/open", "locked/secret"):
        jobs.put(key, key)
    manifest = jobs.put("locked.json", json.dumps([{"prefix": f"s3://{jobs.bucket}/locked/"}, "open", "secret"]))
    augmented = jobs.put("locked.jsonl", json.dumps({"x-ref": f"s3://{jobs.bucket}/locked/secret"}))
    for channel in (jobs.channel("train", manifest, S3DataType="ManifestFile"),
                    pipe(jobs, "train", augmented, S3DataType="AugmentedManifestFile", AttributeNames=["x-ref"])):
        job = jobs.ended(jobs.train("print(1)", RoleArn=role, InputDataConfig=[channel]))
        assert job["TrainingJobStatus"] == "Failed"
        assert "AccessDenied" in job["FailureReason"]
        assert "locked/secret" in job["FailureReason"]


# file systems


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shared")
    (folder / "set").mkdir()
    (folder / "set/data.txt").write_text("from the file system")
    (folder / "way-out").symlink_to("/etc")
    return folder


@pytest.fixture(scope="module")
def mounted(tmp_path_factory: pytest.TempPathFactory, shared: Path) -> Iterator[Jobs]:
    with TestServer(tmp_path_factory.mktemp("server"), {"file_systems": f"fs-0123456789a={shared}"}) as server:
        yield Jobs(server, "mounted")


def system(path: str, mode: str = "ro", system: str = "fs-0123456789a", **more: str) -> dict[str, Any]:
    source = {"FileSystemId": system, "FileSystemType": "EFS", "FileSystemAccessMode": mode, "DirectoryPath": path}
    return {"ChannelName": "train", "DataSource": {"FileSystemDataSource": source}, **more}


def test_a_declared_directory_is_a_file_system(mounted: Jobs, shared: Path) -> None:
    code = textwrap.dedent("""
        import json, pathlib
        here = pathlib.Path('/opt/ml/input/data/train')
        print('read:', (here / 'data.txt').read_text(), flush=True)
        print(json.load(open('/opt/ml/input/config/inputdataconfig.json'))['train'])
        try:
            (here / 'new.txt').write_text('from the job')
        except OSError as error:
            print('refused:', error.strerror)
    """)
    reader, writer = mounted.train(code, InputDataConfig=[system("/set")]), mounted.train(code, InputDataConfig=[system("set/", "rw")])
    for name in (reader, writer):
        assert mounted.ended(name)["TrainingJobStatus"] == "Completed", mounted.log(name)
        assert "read: from the file system" in mounted.log(name)
        assert "'S3DistributionType': 'FullyReplicated'" in mounted.log(name)
    assert "refused: Read-only file system" in mounted.log(reader)
    assert "refused" not in mounted.log(writer)
    assert (shared / "set/new.txt").read_text() == "from the job"
    assert (shared / "set/new.txt").stat().st_uid == shared.stat().st_uid, "files keep the directory's owner"


@pytest.mark.parametrize(("channel", "says"), [
    (system("/set", system="fs-00000000000"), "SAGEWRIGHT_FILE_SYSTEMS=fs-00000000000="),
    (system("/../etc"), "must not contain"),
    (system("/set", InputMode="Pipe"), "can only be used if the channel's InputMode is File"),
])
def test_file_systems_that_are_refused(mounted: Jobs, channel: dict[str, Any], says: str) -> None:
    with pytest.raises(ClientError, match=says) as caught:
        mounted.train("print(1)", InputDataConfig=[channel])
    assert caught.value.response["Error"]["Code"] == "ValidationException"


@pytest.mark.parametrize("path", ["/none", "/way-out"])
def test_directories_that_are_not_in_the_file_system(mounted: Jobs, path: str) -> None:
    job = mounted.ended(mounted.train("print(1)", InputDataConfig=[system(path)]))
    assert job["TrainingJobStatus"] == "Failed", "a link may not lead out of the declared directory"


# FastFile

LOOK = textwrap.dedent("""
    import json, os
    here = '/opt/ml/input/data/train'
    found = {'files': sorted(os.path.relpath(os.path.join(p, f), here) for p, _, fs in os.walk(here) for f in fs)}
    found['first'] = open(os.path.join(here, found['files'][0]), 'rb').read(20).decode()
    found['uid'] = [os.stat(here).st_uid == os.getuid(), os.stat(os.path.join(here, found['files'][0])).st_uid == os.getuid()]
    try:
        open(os.path.join(here, 'new'), 'w')
    except OSError as error:
        found['write'] = error.strerror
    found['mount'] = [line.split()[2] for line in open('/proc/mounts') if line.split()[1] == here]
    found['config'] = json.load(open('/opt/ml/input/config/inputdataconfig.json'))['train']
    json.dump(found, open('/opt/ml/model/found.json', 'w'))
""")


def fast(jobs: Jobs, uri: str, **more: Any) -> dict[str, Any]:
    return jobs.channel("train", uri, **more) | {"InputMode": "FastFile"}


def looked(jobs: Jobs, name: str) -> dict[str, Any]:
    return json.loads(read(jobs, name)["found.json"])  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory, server: TestServer) -> Iterator[Jobs]:
    """Jobs on a server whose objects are in the other server's S3."""
    keys = server.credentials()
    url = server.url.replace("://", f"://{quote(keys['access_key'], safe='')}:{quote(keys['secret_key'], safe='')}@")
    with TestServer(tmp_path_factory.mktemp("elsewhere"), {"objects": url}) as other:
        yield Jobs(other, "elsewhere")


@pytest.fixture(params=["embedded", "external"])
def either(request: pytest.FixtureRequest, jobs: Jobs) -> Jobs:
    return jobs if request.param == "embedded" else request.getfixturevalue("elsewhere")  # type: ignore[no-any-return]


def test_fast_file_shows_a_folder_read_only(either: Jobs) -> None:
    for key in ("ff/train/a.csv", "ff/train/deep/b.csv", "ff/train-old/c.csv"):
        either.put(key, key)
    found = looked(either, either.train(LOOK, InputDataConfig=[fast(either, f"s3://{either.bucket}/ff/train")]))
    assert found["files"] == ["a.csv", "deep/b.csv"], "a folder, not a string prefix"
    assert found["first"] == "ff/train/a.csv"
    assert found["uid"] == [True, True]
    assert found["write"] == "Read-only file system"
    assert found["config"] == {"TrainingInputMode": "FastFile", "S3DistributionType": "FullyReplicated", "RecordWrapperType": "None"}
    if os.access("/dev/fuse", os.R_OK | os.W_OK) or either.bucket != "elsewhere":
        assert ("fuse" in found["mount"][0]) == (either.bucket == "elsewhere")


def test_fast_file_refuses_parts_of_names(either: Jobs) -> None:
    either.put("ff/train/a.csv", "a")
    job = either.ended(either.train("print(1)", InputDataConfig=[fast(either, f"s3://{either.bucket}/ff/tr")]))
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("ClientError: Data download failed:")
    assert "is part of a name and not a folder" in job["FailureReason"]


def test_fast_file_shards_by_key(either: Jobs) -> None:
    for number in range(5):
        either.put(f"ffs/{number}", str(number))
    name = either.train(
        LOOK.replace("found.json", "' + json.load(open('/opt/ml/input/config/resourceconfig.json'))['current_host'] + '.json"),
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 1},
        InputDataConfig=[fast(either, f"s3://{either.bucket}/ffs/", S3DataDistributionType="ShardedByS3Key")])
    shares = [json.loads(content)["files"] for _, content in sorted(read(either, name).items())]
    assert shares == [["0", "2", "4"], ["1", "3"]]


def test_fast_file_of_keys_that_cannot_be_paths(jobs: Jobs) -> None:
    """Such objects lie elsewhere in the store: links show what its folder lacks."""
    for key in ("odd/a", "odd/b//c", "odd/"):
        jobs.put(key, key)
    found = looked(jobs, jobs.train(LOOK, InputDataConfig=[fast(jobs, f"s3://{jobs.bucket}/odd/")]))
    assert found["files"] == ["a", "b/c"]
    assert found["write"] == "Read-only file system"


def test_pipes_from_a_store_elsewhere(elsewhere: Jobs) -> None:
    for letter in "ab":
        elsewhere.put(f"plain/{letter}", letter * 5)
    name = elsewhere.train(PIPES, Environment={"EPOCHS": "2"}, InputDataConfig=[pipe(elsewhere, "train", f"s3://{elsewhere.bucket}/plain/", wrapper="RecordIO")])
    found = read(elsewhere, name)
    assert [list(frames(found[f"train_{epoch}.algo-1"])) for epoch in range(2)] == [[b"aaaaa", b"bbbbb"]] * 2
