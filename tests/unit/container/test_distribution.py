"""How a program starts on several hosts: the commands, and two hosts that really talk, each a process here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from sagewright_container import distribution, remote
from sagewright_container.errors import CustomerError
from sagewright_container.job import Job

TORCH = "pytorch-training:2.13.0-cpu-py311"
HOSTS = ["127.0.0.1", "127.0.0.2", "127.0.0.3"]
"""Names that resolve to different places of this machine."""


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """``tree(parameters, host, hosts)``: the Job of one host."""
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(tmp_path))

    def job(parameters: dict[str, object], host: str = "algo-1", hosts: tuple[str, ...] = ("algo-1", "algo-2"), groups=None) -> Job:
        config = tmp_path / "input" / "config"
        config.mkdir(parents=True, exist_ok=True)
        (config / "hyperparameters.json").write_text(json.dumps({k: json.dumps(v) for k, v in parameters.items()}))
        (config / "inputdataconfig.json").write_text("{}")
        groups = groups or {"homogeneousCluster": list(hosts)}
        current = next(name for name, members in groups.items() if host in members)
        (config / "resourceconfig.json").write_text(json.dumps({
            "current_host": host, "hosts": sorted(hosts), "current_group_name": current, "network_interface_name": "none0",
            "instance_groups": [{"instance_group_name": n, "instance_type": "ml.m5.large", "hosts": h} for n, h in groups.items()],
        }))
        return Job()

    return job


@pytest.fixture
def tools(tmp_path, monkeypatch):
    """An image that has torchrun, mpirun and every framework."""
    for name in ("torchrun", "mpirun"):
        (tmp_path / name).touch(mode=0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setattr(distribution, "_has", lambda module: True)
    return tmp_path


PROGRAM = distribution.Program("train.py", ["--epochs", "2"], "/code")


@pytest.mark.parametrize("flag", ["sagemaker_torch_distributed_enabled", "sagemaker_pytorch_ddp_enabled"])
def test_torchrun_command(tree, tools, flag):
    strategy = distribution.choose(tree({flag: True}, "algo-2"))
    assert strategy.command(PROGRAM) == [
        f"{tools}/torchrun", "--nnodes", "2", "--nproc_per_node", "1", "--master_addr", "algo-1", "--master_port", "7777",
        "--node_rank", "1", "train.py", "--epochs", "2",
    ]


def test_torchrun_on_one_host_needs_no_rendezvous(tree, tools):
    parameters = {"sagemaker_torch_distributed_enabled": True, "sagemaker_mpi_num_of_processes_per_host": 4}
    strategy = distribution.choose(tree(parameters, hosts=("algo-1",)))
    assert strategy.command(PROGRAM)[1:-3] == ["--nnodes", "1", "--nproc_per_node", "4"]


def test_torchrun_starts_python_only(tree, tools):
    strategy = distribution.choose(tree({"sagemaker_torch_distributed_enabled": True}))
    with pytest.raises(CustomerError, match=r"train\.sh is none"):
        strategy.command(distribution.Program("train.sh", [], "/code"))
    module = strategy.command(distribution.Program("pkg/train.py", ["-x"], "/code", "pkg.train"))
    assert module[-3:] == ["-m", "pkg.train", "-x"]


def test_mpirun_command(tree, tools):
    strategy = distribution.choose(tree({
        "sagemaker_mpi_enabled": True, "sagemaker_mpi_num_of_processes_per_host": 2,
        "sagemaker_mpi_custom_mpi_options": "--NCCL_DEBUG WARN -x A='b c' --report-bindings",
    }))
    command = strategy.command(PROGRAM)
    assert command[:5] == [f"{tools}/mpirun", "--host", "algo-1:2,algo-2:2", "-np", "4"]
    where = command.index("NCCL_DEBUG=WARN")
    assert command[where - 1:where + 4] == ["-x", "NCCL_DEBUG=WARN", "-x", "A=b c", "--report-bindings"]
    assert command[-6:] == [f"{tools}/python", "-m", "mpi4py", "train.py", "--epochs", "2"]
    assert "none0" not in " ".join(command), "an interface that is not there would make Open MPI fail"
    shell = strategy.command(distribution.Program("go.sh", ["--a", "b c"], "/code"))
    assert shell[-3:] == ["/bin/sh", "-c", "./go.sh --a 'b c'"]


def test_one_group_of_a_heterogeneous_cluster_trains_together(tree, tools):
    groups = {"data": ["algo-1"], "train": ["algo-2", "algo-3"]}
    parameters = {"sagemaker_torch_distributed_enabled": True, "sagemaker_distribution_instance_groups": ["train"]}
    hosts = ("algo-1", "algo-2", "algo-3")
    assert distribution.choose(tree(parameters, "algo-1", hosts, groups)) is None
    command = distribution.choose(tree(parameters, "algo-3", hosts, groups)).command(PROGRAM)
    assert command[1:3] == ["--nnodes", "2"]
    assert command[5:11] == ["--master_addr", "algo-2", "--master_port", "7777", "--node_rank", "1"]
    variables = tree(parameters, "algo-3", hosts, groups).variables()
    assert json.loads(variables["SM_TRAINING_ENV"])["master_hostname"] == "algo-2"
    assert (variables["SM_IS_HETERO"], variables["SM_CURRENT_INSTANCE_GROUP"]) == ("true", "train")
    assert variables["SM_DISTRIBUTION_INSTANCE_GROUPS"] == '["train"]'


def test_hosts_that_share_their_machines_networks_have_ports_of_the_job(tree, tools, monkeypatch):
    monkeypatch.setenv("SAGEWRIGHT_CLUSTER_PORTS", "23450")
    command = distribution.choose(tree({"sagemaker_torch_distributed_enabled": True}, "algo-2")).command(PROGRAM)
    assert command[command.index("--master_port") + 1] == "23450"
    servers = distribution.choose(tree({"sagemaker_parameter_server_enabled": True}, "algo-2"))
    assert servers.config()["cluster"] == {"master": ["algo-1:23453"], "worker": ["algo-2:23453"], "ps": ["algo-1:23454", "algo-2:23454"]}


def test_tensorflow_configuration(tree, tools):
    workers = distribution.choose(tree({"sagemaker_multi_worker_mirrored_strategy_enabled": True}, "algo-2"))
    assert workers.config() == {
        "cluster": {"worker": ["algo-1:8890", "algo-2:8890"]}, "task": {"type": "worker", "index": 1}, "environment": "cloud",
    }
    servers = distribution.choose(tree({"sagemaker_parameter_server_enabled": True}, "algo-2"))
    assert servers.config()["task"] == {"type": "worker", "index": 0}
    assert servers.config("ps")["task"] == {"type": "ps", "index": 1}
    assert servers.config()["cluster"] == {
        "master": ["algo-1:2222"], "worker": ["algo-2:2222"], "ps": ["algo-1:2223", "algo-2:2223"],
    }


def test_what_an_image_cannot_do_is_said(tree):
    with pytest.raises(CustomerError, match="needs tensorflow, which this image does not have"):
        distribution.choose(tree({"sagemaker_parameter_server_enabled": True}))
    with pytest.raises(CustomerError, match="Trainium"):
        distribution.choose(tree({"sagemaker_pytorch_xla_multi_worker_enabled": True}))
    with pytest.raises(CustomerError, match="no mpirun"):
        distribution.choose(tree({"sagemaker_mpi_enabled": True})).command(PROGRAM)
    assert distribution.choose(tree({"sagemaker_mpi_enabled": False})) is None


def test_a_name_that_never_resolves_is_told():
    with pytest.raises(CustomerError, match=r"algo-9\.invalid can't be resolved"):
        distribution.wait_for_hosts(["algo-9.invalid"], patience=0.0)


@pytest.fixture
def agent(tmp_path):
    """An agent on a free port, and that port."""
    found = remote.Agent(b"key", "127.0.0.1", str(tmp_path), 0)
    yield found, found._listener.getsockname()[1]
    found.close()


def test_remote_commands_have_output_and_exit_code(agent, tmp_path):
    code = f"import sys; sys.path.insert(0, {str(Path(remote.__file__).parents[1])!r})\nfrom sagewright_container import remote\n"
    code += f"sys.exit(remote.call('127.0.0.1', 'pwd; echo no >&2; exit 7', b'key', {agent[1]}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (7, f"{tmp_path}\n", "no\n")


@pytest.fixture
def driver(own_ports):
    """What the MPI driver of the SDK has done before ``code`` on a host that waits, and the file that it waits for: [process, path]."""
    package, path = Path(remote.__file__).parent, f"/tmp/done.{own_ports}"
    environ = {"PYTHONPATH": f"{package.parent}:{package / 'shims'}", "SAGEWRIGHT_CLUSTER_PORTS": str(own_ports)}
    environ |= {"PATH": os.environ["PATH"], "SM_CURRENT_HOST": "127.0.0.1", "TRAINING_JOB_NAME": "looks"}
    begun = f"import os, subprocess, paramiko\nsubprocess.Popen(['/usr/sbin/sshd', '-D'])\npath = {path!r}\nprint('begun', flush=True)\n"
    processes = []

    def start(code: str) -> tuple[subprocess.Popen[str], str]:
        process = subprocess.Popen([sys.executable, "-c", begun + code], env=environ, stdout=subprocess.PIPE, text=True)
        processes.append(process)
        assert process.stdout.readline() == "begun\n"
        return process, path

    yield start
    for process in processes:
        process.kill()
        process.communicate()
    Path(path).unlink(missing_ok=True)


def test_the_mpi_driver_of_the_sdk_does_not_sleep_between_looks(driver, own_ports):
    process, path = driver("print(os.path.exists('/tmp'), os.path.exists('/tmp/nothing of the kind'), os.path.exists(path))")
    key = remote.token({"TRAINING_JOB_NAME": "looks"})
    assert remote.call("127.0.0.1", f"touch {path}", key, own_ports + 1) == 0
    assert process.communicate(timeout=60)[0] == "True False True\n"


def test_who_tells_the_mpi_driver_that_all_is_done_is_answered_before_it_ends(driver, own_ports):
    process, path = driver("while not os.path.lexists(path): pass\nos._exit(not os.path.exists(path))")
    key = remote.token({"TRAINING_JOB_NAME": "looks"})
    assert remote.call("127.0.0.1", f"touch {path}; sleep 0.3; exit 7", key, own_ports + 1) == 7
    assert process.wait(60) == 0


def test_strangers_are_refused(agent, tmp_path):
    with pytest.raises(remote.RemoteError, match="refused"):
        remote.call("127.0.0.1", f"touch {tmp_path}/done", b"another key", agent[1])
    assert not (tmp_path / "done").exists()


def test_a_command_ends_with_its_caller(agent, tmp_path):
    os.mkfifo(tmp_path / "alive")
    connection, stream = remote._ask("127.0.0.1", agent[1], b"key", {"command": "exec sleep 600 > alive"}, 5)
    with (tmp_path / "alive").open("rb") as alive:
        stream.close()
        connection.close()
        assert alive.read() == b""  # returns when the last writer is gone


@pytest.mark.parametrize("kind", [True, False])
def test_hosts_stay_until_the_leader_is_done_or_gone(agent, kind):
    hold = remote.Hold(["127.0.0.1"], b"key", agent[1], 5)
    if kind:
        hold.release()
    else:
        hold._connections[0].close()
        del hold
    assert agent[0].wait() is kind


def test_the_token_is_the_jobs():
    keys = {"AWS_SECRET_ACCESS_KEY": "s", "TRAINING_JOB_NAME": "a"}
    assert remote.token(keys) == remote.token(dict(keys))
    assert remote.token(keys) != remote.token({**keys, "AWS_SECRET_ACCESS_KEY": "t"})
    assert remote.token(keys) != remote.token({**keys, "TRAINING_JOB_NAME": "b"})


DDP = """
import atexit, json, os, time, torch, torch.distributed as dist
atexit.register(time.sleep, 0.1)  # what the client shim does in a job: see its ``let_rest``
from torch.nn.parallel import DistributedDataParallel
dist.init_process_group("gloo")
rank, size = dist.get_rank(), dist.get_world_size()
torch.manual_seed(0)
model = DistributedDataParallel(torch.nn.Linear(4, 1))
x = torch.randn(64, 4, generator=torch.Generator().manual_seed(1))
x, y = x[rank::size], (x @ torch.tensor([[1.0], [2.0], [3.0], [4.0]]))[rank::size]
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for _ in range(80):
    optimizer.zero_grad()
    loss = ((model(x) - y) ** 2).mean()
    loss.backward()
    optimizer.step()
total = torch.tensor([float(rank + 1)])
dist.all_reduce(total)
print("RESULT", json.dumps({"rank": rank, "size": size, "sum": total.item(), "host": os.environ["SM_CURRENT_HOST"],
      "weights": [round(float(v), 4) for v in model.module.weight.flatten()]}), flush=True)
dist.destroy_process_group()
"""
MPI = """
from mpi4py import MPI
import json, os
c = MPI.COMM_WORLD
print("RESULT", json.dumps({"rank": c.rank, "size": c.size, "sum": c.allreduce(c.rank + 1), "host": os.environ["SM_CURRENT_HOST"],
      "leader": c.bcast(os.environ["SM_CURRENT_HOST"])}), flush=True)
if c.rank == int(os.environ.get("SM_HP_FAIL", -1)):
    raise ValueError("rank %d had enough" % c.rank)
"""


@pytest.fixture
def own_ports():
    """The first of ports that no test of another process uses at the same time: all share this machine's network."""
    return 20_000 + 10 * (os.getpid() % 1_000)


@pytest.fixture
def cluster(make, tmp_path, own_ports):
    """``cluster(script, flag, hosts)`` runs it on all hosts at once; returns each host's container and ended process.

    ``apart``: with names of their own, for Open MPI takes hosts of one name, which share memory, for one host.
    """

    def run(text: str, parameters: dict[str, object], count: int, apart: bool = False):
        ended: dict[str, subprocess.CompletedProcess[str]] = {}
        hosts, containers, threads = HOSTS[:count], [], []
        for host in hosts:
            container = make(TORCH)
            container.ml = tmp_path / host
            container.put("code/train.py", text)
            group = {"instance_group_name": "homogeneousCluster", "instance_type": "ml.m5.large", "hosts": hosts}
            given = {"sagemaker_program": '"train.py"', **{k: json.dumps(v) for k, v in parameters.items()}}
            container.configure(given, resources={"current_host": host, "hosts": hosts, "instance_groups": [group]})
            container.env |= {"TRAINING_JOB_NAME": "cluster", "SAGEWRIGHT_CLUSTER_PORTS": str(own_ports)}
            if apart:
                name = f'hostname {host.replace(".", "-")} && exec "$@"'
                container.before = ["unshare", "--user", "--map-root-user", "--uts", "--ipc", "sh", "-c", name, "sh"]
                container.env["TMPDIR"] = str(container.put("tmp/x", "").parent)
            containers.append(container)
            thread = threading.Thread(target=lambda c=container, h=host: ended.__setitem__(h, c.train()))
            threads.append(thread)
            thread.start()
        for thread in threads:
            thread.join()
        return containers, [ended[host] for host in hosts]

    return run


def results(ended) -> list[dict[str, object]]:
    lines = [line for done in ended for line in done.stdout.splitlines() if "RESULT " in line]
    return sorted((json.loads(line.split("RESULT ", 1)[1]) for line in lines), key=lambda r: r["rank"])


def test_two_hosts_train_one_model(cluster):
    _, ended = cluster(DDP, {"sagemaker_torch_distributed_enabled": True}, 2)
    assert [done.returncode for done in ended] == [0, 0], ended[0].stderr + ended[1].stderr
    first, second = results(ended)
    assert (first["size"], first["sum"], second["sum"]) == (2, 3.0, 3.0)
    assert (first["host"], second["host"]) == tuple(HOSTS[:2])
    assert first["weights"] == second["weights"] == pytest.approx([1, 2, 3, 4], abs=0.01)


def test_the_closed_data_parallel_library_forwards_to_pytorch(cluster):
    script = DDP.replace('dist.init_process_group("gloo")', """
import smdistributed.dataparallel.torch.torch_smddp
dist.init_process_group("smddp")
try:
    import smdistributed.modelparallel.torch
except ImportError as e:
    print("REFUSED", e)
""")
    _, ended = cluster(script, {"sagemaker_distributed_dataparallel_enabled": True}, 2)
    assert [done.returncode for done in ended] == [0, 0], ended[0].stderr + ended[1].stderr
    assert results(ended)[1]["weights"] == pytest.approx([1, 2, 3, 4], abs=0.01)
    assert "WARNING: the SageMaker data parallel library is proprietary" in ended[0].stderr
    assert "REFUSED smdistributed.modelparallel is a proprietary library" in ended[0].stdout


def test_a_failing_rank_names_its_own_error(cluster):
    text = DDP.replace("total = ", "if rank == 0: raise ValueError('loss is nan')\ntotal = ")
    containers, ended = cluster(text, {"sagemaker_torch_distributed_enabled": True}, 1)
    assert ended[0].returncode == 1
    assert containers[0].failure.startswith('ExecuteUserScriptError:\nExitCode 1\nErrorMessage "ValueError: loss is nan')


def test_mpi_on_three_hosts(cluster):
    _, ended = cluster(MPI, {"sagemaker_mpi_enabled": True}, 3, apart=True)
    assert [done.returncode for done in ended] == [0, 0, 0], "\n".join(done.stderr for done in ended)
    found = results(ended)
    assert [r["rank"] for r in found] == [0, 1, 2]
    assert {(r["size"], r["sum"], r["leader"]) for r in found} == {(3, 6, HOSTS[0])}
    assert [r["host"] for r in found] == HOSTS, "each rank sees its own host's variables"


def test_a_failing_rank_ends_the_mpi_job(cluster):
    containers, ended = cluster(MPI, {"sagemaker_mpi_enabled": True, "fail": 1}, 2, apart=True)
    assert ended[0].returncode != 0
    assert "ValueError: rank 1 had enough" in containers[0].failure
    assert ended[1].returncode == 0, "the leader's end decides"
