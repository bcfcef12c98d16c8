"""The container contract as a job finds it: the whole of /opt/ml, its environment and its limits, in each input mode.

The expected state lies in ``golden/<mode>.json``. After a change that is meant, ``SAGEWRIGHT_GOLDEN=write`` writes the
files anew; read the difference against the specification before it is committed.
"""

from __future__ import annotations

import gzip
import json
import os
import textwrap
from pathlib import Path
from typing import Any

import pytest

from sagewright.testing.jobs import Jobs
from sagewright.testing.server import TestServer

GOLDEN = Path(__file__).with_name("golden")

DUMP = textwrap.dedent("""
    import json, os, resource, stat, sys
    def tree():
        found = {}
        for place, folders, files in os.walk('/opt/ml'):
            for name in folders + files:
                path = os.path.join(place, name)
                about = os.lstat(path)
                kind = {stat.S_IFDIR: 'directory', stat.S_IFREG: 'file', stat.S_IFIFO: 'pipe'}[stat.S_IFMT(about.st_mode)]
                entry = {'kind': kind, 'own': about.st_uid == os.getuid(), 'writable': os.access(path, os.W_OK)}
                if kind == 'file':
                    text = open(path).read()
                    entry['content'] = json.loads(text) if path.endswith('.json') else 'the program' if path.endswith('.py') else text
                found[path] = entry
        return found
    state = {'tree': tree(), 'environment': dict(os.environ), 'arguments': sys.argv, 'directory': os.getcwd()}
    limits = {name: resource.getrlimit(getattr(resource, 'RLIMIT_' + name)) for name in ('CORE', 'NOFILE', 'NPROC')}
    state['limits'] = {**limits, 'CPUS': len(os.sched_getaffinity(0))}
    state['descriptors'] = sorted(int(n) for n in os.listdir('/proc/self/fd'))[:-1]
    state['identity'] = {'root': os.getuid() == 0, 'host': os.uname().nodename, 'pid': os.getppid() <= 2 or os.getpid() <= 2}
    state['capabilities'] = [line.split()[1] for line in open('/proc/self/status') if line.startswith('CapEff')]
    config = state['tree']['/opt/ml/input/config/inputdataconfig.json']['content']
    pipes = [name for name, about in config.items() if about['TrainingInputMode'] == 'Pipe']
    state['epochs'] = {}
    for name in sorted(pipes):
        for epoch in range(2):
            with open(f'/opt/ml/input/data/{name}_{epoch}', 'rb') as pipe:
                state['epochs'][f'{name}_{epoch}'] = pipe.read().hex()
    state['data'] = sorted(os.listdir('/opt/ml/input/data'))
    json.dump(state, open('/opt/ml/model/state.json', 'w'))
""")


@pytest.fixture(scope="module")
def jobs(server: TestServer) -> Jobs:
    return Jobs(server, "golden")


def plain(jobs: Jobs, state: dict[str, Any], job: dict[str, Any]) -> dict[str, Any]:
    """The state without what differs from run to run and from machine to machine."""
    env = state["environment"]
    swap = {
        job["TrainingJobArn"]: "<job ARN>", job["TrainingJobName"]: "<job>", jobs.server.url: "<endpoint>",
        env["VIRTUAL_ENV"]: "<environment>",
        **{env[name]: f"<{name}>" for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")},
    }
    text = json.dumps(state)
    for old, new in swap.items():
        text = text.replace(json.dumps(old)[1:-1], new)
    found: dict[str, Any] = json.loads(text)
    limits = found["limits"]
    assert limits["CPUS"] == min(2, len(os.sched_getaffinity(0))), "an ml.m5.large has two"
    assert limits["NPROC"][0] <= 4096
    assert limits["NOFILE"][0] <= 65_536
    found["limits"] = {"CORE": limits["CORE"]}
    return found


def channel(jobs: Jobs, name: str, mode: str, key: str, **more: Any) -> dict[str, Any]:
    outer = {k: more.pop(k) for k in ("ContentType", "CompressionType", "RecordWrapperType", "ShuffleConfig") if k in more}
    return jobs.channel(name, f"s3://{jobs.bucket}/{key}", **more) | outer | {"InputMode": mode}


def channels(jobs: Jobs, mode: str) -> list[dict[str, Any]]:
    if mode == "File":
        return [
            channel(jobs, "train", mode, "set/", ContentType="text/csv"),
            channel(jobs, "listed", mode, "list.manifest", S3DataType="ManifestFile", S3DataDistributionType="ShardedByS3Key"),
        ]
    if mode == "FastFile":
        return [channel(jobs, "train", mode, "set")]
    return [
        channel(jobs, "train", mode, "set/", ContentType="text/csv", RecordWrapperType="RecordIO"),
        channel(jobs, "zipped", mode, "zipped/", CompressionType="Gzip", ShuffleConfig={"Seed": 5}),
        channel(jobs, "listed", mode, "list.manifest", S3DataType="ManifestFile"),
        channel(jobs, "rows", mode, "rows.jsonl", S3DataType="AugmentedManifestFile", AttributeNames=["label", "row-ref"]),
    ]


@pytest.mark.parametrize("mode", ["File", "FastFile", "Pipe"])
def test_what_a_container_finds(jobs: Jobs, mode: str) -> None:
    for key in ("set/a.csv", "set/deep/b.csv"):
        jobs.put(key, key)
    for number in range(4):
        jobs.s3.put_object(Bucket=jobs.bucket, Key=f"zipped/{number}.gz", Body=gzip.compress(str(number).encode() * 3))
    jobs.put("list.manifest", json.dumps([{"prefix": f"s3://{jobs.bucket}/set/"}, "deep/b.csv", "a.csv"]))
    jobs.put("rows.jsonl", json.dumps({"row-ref": f"s3://{jobs.bucket}/set/a.csv", "label": 7}))
    source = jobs.put("code/main.py", DUMP).removesuffix("main.py")
    name = jobs.train(
        AlgorithmSpecification={"TrainingInputMode": mode, "ContainerEntrypoint": ["python3", "/opt/ml/input/data/code/main.py"], "ContainerArguments": ["--flag", "a b"]},
        HyperParameters={"depth": "3", "quoted": '"text"', "list": "[1, 2]"}, Environment={"MY_VARIABLE": "mine"},
        CheckpointConfig={"S3Uri": f"s3://{jobs.bucket}/checkpoints"},
        InputDataConfig=[jobs.channel("code", source) | {"InputMode": "File"}, *channels(jobs, mode)],
    )
    job = jobs.ended(name)
    assert job["TrainingJobStatus"] == "Completed", (job.get("FailureReason"), jobs.log(name))
    found = plain(jobs, json.loads(jobs.members(job["ModelArtifacts"]["S3ModelArtifacts"])["state.json"]), job)
    golden = GOLDEN / f"{mode.lower()}.json"
    text = json.dumps(found, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    if os.environ.get("SAGEWRIGHT_GOLDEN") == "write":
        golden.write_text(text)
    assert json.loads(text) == json.loads(golden.read_text())
