"""Starts a program on the hosts of a cluster together: torchrun, mpirun, TensorFlow's own ways.

The SDK's ``distribution`` argument arrives as ``sagemaker_*_enabled`` hyperparameters; each is a class here that knows
how to run the user's program in its way. https://sagemaker.readthedocs.io/en/v2/api/training/distributed.html
"""

import fcntl
import json
import os
import shlex
import shutil
import socket
import struct
import subprocess
import sys
import time
from typing import Any, Dict, List, Optional

from . import ports, remote, sources
from .errors import CustomerError, ScriptError
from .job import Job, gpus

CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


class Program:
    """The user's program: a script of ``folder``, or a module of an installed package."""

    def __init__(self, name: str, arguments: List[str], folder: str, module: str = "") -> None:
        self.name, self.arguments, self.folder, self.module = name, arguments, folder, module

    @property
    def python(self) -> bool:
        return bool(self.module) or self.name.endswith(".py")

    def target(self) -> List[str]:
        """What a Python launcher takes: ``-m module`` or the script, and the arguments."""
        return [*(["-m", self.module] if self.module else [self.name]), *self.arguments]

    def command(self) -> List[str]:
        """The program alone, as a process of its own."""
        if self.python:
            return [sys.executable, *self.target()]
        script = " ".join(shlex.quote(word) for word in ("./" + self.name, *self.arguments))
        return ["/bin/sh", "-c", script]


class Strategy:
    """One way to run a program on all hosts. ``run`` is called on each of them."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.hosts = job.distribution_hosts or job.hosts

    @property
    def leader(self) -> bool:
        return self.job.host == self.hosts[0]

    @property
    def starts(self) -> bool:
        """Whether this host starts its part itself."""
        return True

    @property
    def rank(self) -> int:
        return self.hosts.index(self.job.host)

    @property
    def processes(self) -> int:
        """Per host: what the job says, else one for each GPU, else one."""
        return int(self.job.framework_parameters.get("sagemaker_mpi_num_of_processes_per_host") or gpus() or 1)

    def command(self, program: Program) -> List[str]:
        """What this host starts. Raises CustomerError when it can't be run this way."""
        return program.command()

    def run(self, program: Program) -> None:
        """Raises ScriptError when the program fails."""
        _execute(self.command(program), program.folder)


class Torchrun(Strategy):
    """``torch_distributed`` and ``pytorchddp``: torchrun on every host, the first one's port for the rendezvous."""

    def command(self, program: Program) -> List[str]:
        if not program.python:
            raise CustomerError("torchrun starts Python programs, and %s is none" % program.name)
        options = ["--nnodes", str(len(self.hosts)), "--nproc_per_node", str(self.processes)]
        if len(self.hosts) > 1:
            options += [
                "--master_addr", self.hosts[0], "--master_port", str(ports.port(ports.RENDEZVOUS)), "--node_rank", str(self.rank),
            ]  # fmt: skip
        return [_tool("torchrun", "PyTorch"), *options, *program.target()]

    def run(self, program: Program) -> None:
        if interface() == self.job.network_interface:
            os.environ.setdefault("NCCL_SOCKET_IFNAME", self.job.network_interface)
        super().run(program)


class SmDataParallel(Torchrun):
    """``smdistributed.dataparallel``: the library is closed; its calls go to PyTorch's own."""

    def run(self, program: Program) -> None:
        sys.stderr.write(
            "WARNING: the SageMaker data parallel library is proprietary and not part of this image. Its imports and its "
            "backend 'smddp' forward to PyTorch's own distributed training (nccl on GPUs, gloo on CPUs): the same results, "
            "not the same speed.\n"
        )
        super().run(program)


class Mpi(Strategy):
    """``mpi``: the first host starts everything, the others let it."""

    def command(self, program: Program) -> List[str]:
        named = self.job.framework_parameters
        each = self.processes
        total = int(named.get("sagemaker_mpi_num_processes") or each * len(self.hosts))
        places = self.hosts if each == 1 else ["%s:%d" % (host, each) for host in self.hosts]
        program_ = program.command()
        if program.python:
            program_ = [sys.executable, "-m", "mpi4py", *program.target()]  # an exception on one rank ends all of them
        return [
            _tool("mpirun", "Open MPI"), "--host", ",".join(places), "-np", str(total), "--allow-run-as-root", "--tag-output",
            "--bind-to", "none", "--map-by", "slot", *self._network(), *_exported(), *self._custom(), *program_,
        ]  # fmt: skip

    @property
    def starts(self) -> bool:
        return self.leader

    def _network(self) -> List[str]:
        name = self.job.network_interface
        if interface() != name:
            return []
        options = ["-mca", "btl_tcp_if_include", name, "--prtemca", "prte_if_include", name]
        return [*options, "-x", "NCCL_SOCKET_IFNAME=" + name]

    def _custom(self) -> List[str]:
        words = shlex.split(str(self.job.framework_parameters.get("sagemaker_mpi_custom_mpi_options") or ""))
        found: List[str] = []
        while words:
            word = words.pop(0)
            name, equals, value = word.partition("=")
            if name == "--NCCL_DEBUG":
                found += ["-x", "NCCL_DEBUG=" + (value if equals else words.pop(0) if words else "INFO")]
            else:
                found.append(word)
        return found

    def run(self, program: Program) -> None:
        key = remote.token(os.environ)
        if not self.leader:
            sys.stdout.write("%s starts this host's part\n" % self.hosts[0])
            sys.stdout.flush()
            agent = remote.Agent(key, socket.gethostbyname(self.job.host), program.folder, ports.port(ports.REMOTE))
            if not agent.wait():
                sys.stderr.write("%s went away\n" % self.hosts[0])  # and its own end tells why the job failed
            agent.close()
            return
        os.environ["PRTE_MCA_plm_ssh_agent"] = sys.executable + " -m sagewright_container.remote"
        os.environ["PRTE_MCA_plm_ssh_no_tree_spawn"] = "1"
        try:
            hold = remote.Hold(self.hosts[1:], key, ports.port(ports.REMOTE))
        except remote.RemoteError as e:
            raise ScriptError("ExecuteUserScriptError", 1, str(e), ["mpirun"]) from e
        try:
            super().run(program)
        finally:
            hold.release()


class MultiWorker(Strategy):
    """``multi_worker_mirrored_strategy``: TF_CONFIG names the workers, and TensorFlow does the rest."""

    def config(self) -> Dict[str, Any]:
        cluster = {"worker": ["%s:%d" % (host, ports.port(ports.WORKER)) for host in self.hosts]}
        return {"cluster": cluster, "task": {"type": "worker", "index": self.rank}, "environment": "cloud"}

    def run(self, program: Program) -> None:
        os.environ["TF_CONFIG"] = json.dumps(self.config())
        super().run(program)


class ParameterServer(Strategy):
    """``parameter_server``: every host has a server, the first one leads, the others work."""

    def config(self, kind: str = "") -> Dict[str, Any]:
        leader, server = ports.port(ports.LEADER), ports.port(ports.SERVER)
        cluster: Dict[str, List[str]] = {
            "master": ["%s:%d" % (self.hosts[0], leader)],
            "ps": ["%s:%d" % (host, server) for host in self.hosts],
        }
        if len(self.hosts) > 1:
            cluster["worker"] = ["%s:%d" % (host, leader) for host in self.hosts[1:]]
        own, index = ("master", 0) if self.leader else ("worker", self.rank - 1)
        task = {"type": kind or own, "index": self.rank if kind else index}
        return {"cluster": cluster, "task": task, "environment": "cloud"}

    def run(self, program: Program) -> None:
        os.environ["TF_CONFIG"] = json.dumps(self.config())
        served = self.config("ps")
        environ = {**os.environ, "TF_CONFIG": json.dumps(served), "CUDA_VISIBLE_DEVICES": "-1"}
        code = (
            "import json, os, tensorflow as tf; c = json.loads(os.environ['TF_CONFIG']); "
            "tf.distribute.Server(tf.train.ClusterSpec(c['cluster']), job_name='ps', task_index=c['task']['index']).join()"
        )
        server = subprocess.Popen([sys.executable, "-c", code], env=environ, stdin=subprocess.DEVNULL)
        try:
            super().run(program)
        finally:
            server.kill()
            server.wait()


PYTORCH, TENSORFLOW = "pytorch", "tensorflow"
STRATEGIES = (
    ("sagemaker_torch_distributed_enabled", Torchrun, PYTORCH),
    ("sagemaker_pytorch_ddp_enabled", Torchrun, PYTORCH),
    ("sagemaker_distributed_dataparallel_enabled", SmDataParallel, PYTORCH),
    ("sagemaker_mpi_enabled", Mpi, ""),
    ("sagemaker_multi_worker_mirrored_strategy_enabled", MultiWorker, TENSORFLOW),
    ("sagemaker_parameter_server_enabled", ParameterServer, TENSORFLOW),
)
"""(hyperparameter, strategy, the framework it needs)."""
MODULES = {PYTORCH: "torch", TENSORFLOW: "tensorflow"}


def expose_shims() -> None:
    """Let programs import the names of AWS's closed libraries, unless the image has the real ones."""
    shims = os.path.join(os.path.dirname(os.path.abspath(__file__)), "shims")
    existing = os.environ.get("PYTHONPATH", "")
    os.environ["PYTHONPATH"] = existing + os.pathsep + shims if existing else shims
    sys.path.append(shims)


def choose(job: Job) -> Optional[Strategy]:
    """The strategy that the job asks for on this host; None when it asks for none, or for other hosts.

    Raises:
        CustomerError: the image can't do it, and what could be done instead.
    """
    named = job.framework_parameters
    if _on(named.get("sagemaker_pytorch_xla_multi_worker_enabled")):
        raise CustomerError(
            "distribution pytorchxla needs Trainium or the SageMaker Training Compiler, which do not exist outside of AWS; "
            "use distribution torch_distributed"
        )
    for name, strategy, framework in STRATEGIES:
        if not _on(named.get(name)):
            continue
        if framework and not _has(MODULES[framework]):
            raise CustomerError(
                "hyperparameter %s needs %s, which this image does not have" % (name, MODULES[framework])
            )
        return strategy(job) if job.host in (job.distribution_hosts or job.hosts) else None
    return None


def wait_for_hosts(hosts: List[str], patience: float = remote.PATIENCE) -> None:
    """Until all names resolve: the other hosts of a cluster may start later.

    Raises:
        CustomerError: one of them never did.
    """
    end, pause = time.monotonic() + patience, remote.FIRST
    for host in hosts:
        while True:
            try:
                socket.getaddrinfo(host, None)
                break
            except OSError as e:
                if time.monotonic() > end:
                    raise CustomerError("host %s can't be resolved: %s" % (host, e)) from e
            time.sleep(pause)  # no event tells that a name has come to be
            pause = min(pause * 2, remote.LONGEST)


def interface() -> str:
    """The network interface that holds this host's own address; empty when it can't be told."""
    try:
        own = socket.inet_aton(socket.gethostbyname(socket.gethostname()))
    except OSError:
        return ""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for _, name in socket.if_nameindex():
            try:
                found = fcntl.ioctl(sock, 0x8915, struct.pack("256s", name.encode()[:15]))  # SIOCGIFADDR
            except OSError:
                continue
            if found[20:24] == own:
                return name
    return ""


def _exported() -> List[str]:
    """Variables that every rank gets from the first host; the rest each has from its own."""
    names = [name for name in (*CREDENTIALS, "LD_LIBRARY_PATH", "PATH", "PYTHONPATH") if name in os.environ]
    return [word for name in names for word in ("-x", name)]


def _execute(command: List[str], folder: str) -> None:
    said = sources.run(command, folder)
    if said.returncode:
        raise ScriptError("ExecuteUserScriptError", said.returncode, said.words, command)


def _tool(name: str, product: str) -> str:
    beside = os.path.join(os.path.dirname(sys.executable), name)
    found = beside if os.access(beside, os.X_OK) else shutil.which(name)
    if found is None:
        raise CustomerError(
            "this image has no %s, which comes with %s: take an image that has it, such as pytorch-training, or add it to "
            "the requirements.txt beside your program" % (name, product)
        )
    return found


def _has(module: str) -> bool:
    from importlib.util import find_spec

    return module in sys.modules or find_spec(module) is not None


def _on(value: Any) -> bool:
    return value is True or str(value).lower() in ("true", "1")

