"""Jobs on several hosts, by boto3: what each host is told, how they talk, how one that fails ends the job."""

from __future__ import annotations

import json
import textwrap
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagewright.testing.jobs import PYTHON, Jobs
from sagewright.testing.server import TestServer

THREE = {"InstanceType": "ml.m5.large", "InstanceCount": 3, "VolumeSizeInGB": 1}
GROUPS = [
    {"InstanceType": "ml.m5.large", "InstanceCount": 2, "InstanceGroupName": "feeders"},
    {"InstanceType": "ml.c5.xlarge", "InstanceCount": 1, "InstanceGroupName": "trainers"},
]

SUM = textwrap.dedent("""
    import json, os, pathlib, socket, time
    config = json.load(open('/opt/ml/input/config/resourceconfig.json'))
    me, hosts = config['current_host'], config['hosts']
    root = pathlib.Path('/opt/ml/input/data')
    mine = sum(int(path.read_text()) for path in root.glob('numbers/*'))

    def connect():
        while True:
            try:
                return socket.create_connection((hosts[0], 7777), timeout=30)
            except ConnectionRefusedError:
                time.sleep(0.01)

    # an all-reduce by way of the first host
    if me == hosts[0]:
        server = socket.create_server(('0.0.0.0', 7777))
        conns = [server.accept()[0] for _ in hosts[1:]]
        total = mine + sum(int(conn.recv(100)) for conn in conns)
        for conn in conns:
            conn.sendall(str(total).encode())
    else:
        conn = connect()
        conn.sendall(str(mine).encode())
        total = int(conn.recv(100))
    with open('/opt/ml/model/' + me + '.json', 'w') as file:
        json.dump({'total': total, 'mine': mine, 'config': config, 'name': socket.gethostname(),
                   'channels': sorted(os.listdir(root)), 'said': json.load(open('/opt/ml/input/config/inputdataconfig.json'))}, file)
    print(me, 'has', total)
""")


@pytest.fixture(scope="module")
def jobs(server: TestServer) -> Jobs:
    return Jobs(server, "cluster-bucket")


def completed(jobs: Jobs, name: str) -> dict[str, Any]:
    job = jobs.ended(name)
    assert job["TrainingJobStatus"] == "Completed", f"{job.get('FailureReason')}\n{jobs.log(name)}"
    return job


def told(jobs: Jobs, job: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What each host wrote down, by its name."""
    members = jobs.members(job["ModelArtifacts"]["S3ModelArtifacts"])
    return {name.removesuffix(".json"): json.loads(body) for name, body in members.items()}


def numbers(jobs: Jobs) -> dict[str, Any]:
    for value in range(1, 8):
        jobs.put(f"numbers/{value}", str(value))
    return jobs.channel("numbers", f"s3://{jobs.bucket}/numbers/", S3DataDistributionType="ShardedByS3Key")


def test_hosts_share_the_work_and_talk(jobs: Jobs) -> None:
    name = jobs.train(SUM, ResourceConfig=THREE, InputDataConfig=[numbers(jobs)])
    job = completed(jobs, name)
    hosts = told(jobs, job)
    assert sorted(hosts) == ["algo-1", "algo-2", "algo-3"]
    assert [one["total"] for one in hosts.values()] == [28, 28, 28]
    assert sorted(one["mine"] for one in hosts.values()) == sorted([1 + 4 + 7, 2 + 5, 3 + 6]), "by key, each once"
    for host, one in hosts.items():
        assert one["name"] == host
        assert one["config"]["network_interface_name"] == "eth0"
        assert one["config"]["instance_groups"] == [
            {"instance_group_name": "homogeneousCluster", "instance_type": "ml.m5.large", "hosts": ["algo-1", "algo-2", "algo-3"]}]
    streams = jobs.logs.describe_log_streams(logGroupName="/aws/sagemaker/TrainingJobs", logStreamNamePrefix=f"{name}/")["logStreams"]
    assert [s["logStreamName"].split("/")[1].rsplit("-", 1)[0] for s in streams] == ["algo-1", "algo-2", "algo-3"]
    assert sorted(jobs.log(name).splitlines()) == [f"algo-{n} has 28" for n in (1, 2, 3)]


def test_groups_of_instances(jobs: Jobs) -> None:
    channels = [numbers(jobs), jobs.channel("weights", jobs.put("weights/w", "w"), InstanceGroupNames=["trainers"])]
    channels[0]["DataSource"]["S3DataSource"]["InstanceGroupNames"] = ["feeders"]
    name = jobs.train(SUM, ResourceConfig={"InstanceGroups": GROUPS, "VolumeSizeInGB": 1}, InputDataConfig=channels)
    described = jobs.sagemaker.describe_training_job(TrainingJobName=name)
    assert described["ResourceConfig"] == {"InstanceGroups": GROUPS, "VolumeSizeInGB": 1}
    hosts = told(jobs, completed(jobs, name))
    assert {host: (one["config"]["current_group_name"], one["config"]["current_instance_type"]) for host, one in hosts.items()} == {
        "algo-1": ("feeders", "ml.m5.large"), "algo-2": ("feeders", "ml.m5.large"), "algo-3": ("trainers", "ml.c5.xlarge")}
    assert {host: one["channels"] for host, one in hosts.items()} == {
        "algo-1": ["code", "numbers"], "algo-2": ["code", "numbers"], "algo-3": ["code", "weights"]}
    assert {host: sorted(one["said"]) for host, one in hosts.items()} == {host: one["channels"] for host, one in hosts.items()}
    assert {host: one["mine"] for host, one in hosts.items()} == {"algo-1": 1 + 3 + 5 + 7, "algo-2": 2 + 4 + 6, "algo-3": 0}
    assert {one["total"] for one in hosts.values()} == {28}
    assert hosts["algo-1"]["config"]["instance_groups"] == [
        {"instance_group_name": "feeders", "instance_type": "ml.m5.large", "hosts": ["algo-1", "algo-2"]},
        {"instance_group_name": "trainers", "instance_type": "ml.c5.xlarge", "hosts": ["algo-3"]}]


def test_isolated_hosts_talk_too(jobs: Jobs) -> None:
    hosts = told(jobs, completed(jobs, jobs.train(SUM, ResourceConfig=THREE, InputDataConfig=[numbers(jobs)], EnableNetworkIsolation=True)))
    assert {one["total"] for one in hosts.values()} == {28}


def test_encryption_between_hosts_is_not_claimed(jobs: Jobs) -> None:
    two = {**THREE, "InstanceCount": 2}
    name = jobs.train("print('ran')", ResourceConfig=two, EnableInterContainerTrafficEncryption=True)
    assert completed(jobs, name)["EnableInterContainerTrafficEncryption"] is True
    note, *rest = sorted(jobs.log(name).splitlines())
    assert note.startswith("NOTE: EnableInterContainerTrafficEncryption is not carried out")
    assert rest == ["ran", "ran"]
    alone = jobs.train("print('ran')", EnableInterContainerTrafficEncryption=True)
    completed(jobs, alone)
    assert jobs.log(alone) == "ran", "there is nothing between the hosts of one"


def test_two_jobs_on_the_same_ports(jobs: Jobs) -> None:
    channel = numbers(jobs)
    names = [jobs.train(SUM, ResourceConfig=THREE, InputDataConfig=[channel]) for _ in range(2)]
    for name in names:
        assert {one["total"] for one in told(jobs, completed(jobs, name)).values()} == {28}


def test_the_api_is_there_on_every_host(jobs: Jobs) -> None:
    code = f"""
import boto3, json
me = json.load(open('/opt/ml/input/config/resourceconfig.json'))['current_host']
boto3.client('s3').put_object(Bucket='{jobs.bucket}', Key='said/' + me, Body=boto3.client('sts').get_caller_identity()['Arn'])
"""
    completed(jobs, jobs.train(code, ResourceConfig={**THREE, "InstanceCount": 2}))
    for host in ("algo-1", "algo-2"):
        assert b"assumed-role" in jobs.get(f"s3://{jobs.bucket}/said/{host}")


DDP = """
import json, os
config = json.load(open('/opt/ml/input/config/resourceconfig.json'))
rank = config['hosts'].index(config['current_host'])
os.environ.update(RANK=str(rank), WORLD_SIZE=str(len(config['hosts'])), MASTER_ADDR=config['hosts'][0], MASTER_PORT='7777',
                  GLOO_SOCKET_IFNAME=config['network_interface_name'])
import torch, torch.distributed as dist
torch.set_num_threads(1)
dist.init_process_group('gloo')
torch.manual_seed(rank)  # different everywhere: DDP must make them equal
model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(3, 1))
truth, data = torch.tensor([[1.0, -2.0, 0.5]]), torch.manual_seed(7)
every = torch.randn(64, 3)
mine = every[rank::2]
steps = torch.optim.SGD(model.parameters(), lr=0.3)
for _ in range(60):
    steps.zero_grad()
    torch.nn.functional.mse_loss(model(mine), mine @ truth.T).backward()
    steps.step()
torch.save(model.module.state_dict(), f'/opt/ml/model/{rank}.pt')
print('WEIGHTS', json.dumps(model.module.weight.detach().tolist()))
dist.destroy_process_group()
"""
TORCH = "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-training:2.13.0-cpu-py311"


def test_distributed_data_parallel(jobs: Jobs) -> None:
    """PyTorch's own rendezvous and gloo, over two hosts."""
    name = jobs.train(DDP, image=TORCH, ResourceConfig={**THREE, "InstanceCount": 2}, EnableNetworkIsolation=True)
    job = completed(jobs, name)
    found = [json.loads(line.partition(" ")[2])[0] for line in jobs.log(name).splitlines() if line.startswith("WEIGHTS")]
    assert found[0] == found[1], "one model on both hosts"
    assert found[0] == pytest.approx([1.0, -2.0, 0.5], abs=1e-2)
    assert set(jobs.members(job["ModelArtifacts"]["S3ModelArtifacts"])) == {"0.pt", "1.pt"}


def test_processing_hosts_talk(jobs: Jobs) -> None:
    code = SUM.replace("input/config", "config").replace("/opt/ml/model/", "/opt/ml/processing/out/").replace(
        "json.load(open('/opt/ml/config/inputdataconfig.json'))", "{}").replace("/opt/ml/input/data", "/opt/ml/processing")
    source = jobs.put("processing/main.py", code)
    name = jobs.name("process")
    numbers(jobs)
    jobs.sagemaker.create_processing_job(
        ProcessingJobName=name, RoleArn=jobs.role,
        AppSpecification={"ImageUri": PYTHON, "ContainerEntrypoint": ["python3", "/opt/ml/processing/code/main.py"]},
        ProcessingResources={"ClusterConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 1}},
        ProcessingInputs=[
            {"InputName": "code", "S3Input": {"S3Uri": source, "LocalPath": "/opt/ml/processing/code", "S3DataType": "S3Prefix", "S3InputMode": "File"}},
            {"InputName": "numbers", "S3Input": {"S3Uri": f"s3://{jobs.bucket}/numbers/", "LocalPath": "/opt/ml/processing/numbers",
                                                 "S3DataType": "S3Prefix", "S3InputMode": "File", "S3DataDistributionType": "ShardedByS3Key"}},
        ],
        ProcessingOutputConfig={"Outputs": [{"OutputName": "out", "S3Output": {
            "S3Uri": f"s3://{jobs.bucket}/processed/{name}", "LocalPath": "/opt/ml/processing/out", "S3UploadMode": "EndOfJob"}}]},
    )
    jobs.sagemaker.get_waiter("processing_job_completed_or_stopped").wait(ProcessingJobName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 90})
    said = [json.loads(jobs.get(f"s3://{jobs.bucket}/processed/{name}/{host}.json")) for host in ("algo-1", "algo-2")]
    assert [one["total"] for one in said] == [28, 28]
    assert sorted(one["mine"] for one in said) == [2 + 4 + 6, 1 + 3 + 5 + 7]


def test_the_first_failing_host_decides_and_the_others_may_save(jobs: Jobs) -> None:
    """The reason is that host's; the others get SIGTERM and time, and what they save is kept."""
    code = textwrap.dedent("""
        import json, os, signal, sys
        me = json.load(open('/opt/ml/input/config/resourceconfig.json'))['current_host']
        def end(*_):
            print(me, 'was asked to stop', flush=True)
            open('/opt/ml/model/' + me, 'w').write('saved')
            open('/opt/ml/output/failure', 'w').write('I failed later')
            sys.exit(9)
        signal.signal(signal.SIGTERM, end)
        print(me, 'runs', flush=True)
        if me == 'algo-2':
            open('/opt/ml/output/failure', 'w').write('host two is broken')
            sys.exit(4)
        signal.pause()
    """)
    name = jobs.train(code, ResourceConfig=THREE)
    job = jobs.ended(name)
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"] == "AlgorithmError: host two is broken, exit code: 4"
    assert [t["Status"] for t in job["SecondaryStatusTransitions"]] == ["Starting", "Downloading", "Training", "Uploading", "Failed"]
    lines = jobs.log(name).splitlines()
    assert sorted(lines) == sorted([*(f"algo-{n} runs" for n in (1, 2, 3)), "algo-1 was asked to stop", "algo-3 was asked to stop"])
    assert jobs.members(f"s3://{jobs.bucket}/out/{name}/output/model.tar.gz") == {"algo-1": b"saved", "algo-3": b"saved"}


def test_a_host_that_cannot_be_staged_ends_the_job_before_any_code_runs(jobs: Jobs) -> None:
    channel = jobs.channel("nothing", f"s3://{jobs.bucket}/nothing-here/", InstanceGroupNames=["trainers"])
    name = jobs.train("print('ran')", ResourceConfig={"InstanceGroups": GROUPS, "VolumeSizeInGB": 1}, InputDataConfig=[channel])
    job = jobs.ended(name)
    assert job["FailureReason"].startswith("ClientError: Data download failed:"), job["FailureReason"]
    assert jobs.log(name) == ""


def test_stopping_a_cluster(jobs: Jobs) -> None:
    name = jobs.train("import signal; signal.signal(signal.SIGTERM, lambda *_: print('term', flush=True) or exit(0)); print('up', flush=True); signal.pause()", ResourceConfig=THREE)
    jobs.until(name, ["Training"])
    while jobs.log(name).count("up") < 3:
        pass  # until each has its handler; ``until`` bounds the job itself
    jobs.sagemaker.stop_training_job(TrainingJobName=name)
    assert jobs.ended(name)["TrainingJobStatus"] == "Stopped"
    assert sorted(jobs.log(name).splitlines()) == ["term"] * 3 + ["up"] * 3


@pytest.mark.parametrize(("change", "says"), [
    ({"ResourceConfig": {"InstanceGroups": GROUPS, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1}}, "together with InstanceGroups"),
    ({"ResourceConfig": {"InstanceGroups": [GROUPS[0], GROUPS[0]], "VolumeSizeInGB": 1}}, "Duplicate instance group name"),
    ({"ResourceConfig": {"InstanceGroups": [{**GROUPS[0], "InstanceGroupName": f"g{n}"} for n in range(6)], "VolumeSizeInGB": 1}},
     "Member must have length less than or equal to 5|length less than or equal"),
    ({"ResourceConfig": {"VolumeSizeInGB": 1}}, "InstanceType and InstanceCount, or InstanceGroups"),
])
def test_clusters_that_mean_nothing(jobs: Jobs, change: dict[str, Any], says: str) -> None:
    with pytest.raises(ClientError, match=says) as caught:
        jobs.train("print(1)", **change)
    assert caught.value.response["Error"]["Code"] == "ValidationException"


def test_a_channel_for_a_group_that_is_not_there(jobs: Jobs) -> None:
    channel = jobs.channel("one", f"s3://{jobs.bucket}/numbers/", InstanceGroupNames=["nobody"])
    with pytest.raises(ClientError, match="no instance group named nobody"):
        jobs.train("print(1)", ResourceConfig=THREE, InputDataConfig=[channel])
