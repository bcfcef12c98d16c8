"""Compute: runs tasks behind the container contract. One agent a task; it outlives the server.

A task is plain data, JSON from end to end, so that the same agent runs it beside the server or on a node.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

LONGEST_MANIFEST = 512 * 2**20
"""Bytes; a manifest is held in memory."""


@dataclass(slots=True)
class Input:
    """Data that a task finds under a path."""

    path: str
    """Absolute, under /opt/ml."""
    uri: str
    """s3://bucket/prefix-or-key; of a Folder, file:// and its absolute path."""
    type: Literal["S3Prefix", "ManifestFile", "AugmentedManifestFile", "S3Object", "Folder"] = "S3Prefix"
    """Folder: a directory of the machine, shown as it is."""
    shard: int = 0
    shards: int = 1
    """Take every object whose index in key order modulo ``shards`` is ``shard``."""
    compression: Literal["None", "Gzip"] = "None"
    unpack: bool = False
    """The single object is a tar archive: extract it into ``path`` (model.tar.gz)."""
    required: bool = True
    """An empty prefix fails the task with a ClientError."""
    writable: bool = False
    label: str = ""
    """What the caller calls it (channel or input name), for messages."""
    mode: Literal["File", "FastFile", "Pipe"] = "File"
    """File: all there before the start. FastFile: a read-only view of a folder of objects, read as the task reads. Pipe:
    one FIFO ``<path>_<epoch>`` an epoch, from 0, with the objects' bytes one after another."""
    wrapper: Literal["None", "RecordIO"] = "None"
    """Pipe: put every object, or every value of an augmented manifest, into a RecordIO frame."""
    attributes: list[str] = field(default_factory=list)
    """AugmentedManifestFile: which values of each line, in this order."""
    seed: int | None = None
    """Take the objects (or lines) in an order drawn from the seed and, in Pipe mode, the epoch; shards are cut after it."""
    manifest: bool = False
    """Also put the manifest itself at ``<path>-manifest``."""
    below: str = ""
    """Folder: the path of the part that is shown; no link on the way to it is followed."""
    version: str = ""
    """ETag that the manifest must have: the version whose objects the caller has been allowed to read."""


@dataclass(slots=True)
class Output:
    """A path to store after the task, or while it runs."""

    path: str
    uri: str
    """Of the archive object when ``archive`` is set, else a prefix."""
    mode: Literal["EndOfJob", "Continuous"] = "EndOfJob"
    archive: bool = False
    """Store as one tar.gz with members relative to ``path``."""
    when_empty: bool = False
    """Store an archive even if the path holds nothing."""
    on_failure: bool = True
    erase: bool = False
    """Continuous: of what an input has put there from the same prefix, what the task deletes is deleted in the store too."""


@dataclass(slots=True)
class Limits:
    memory: int = 0
    """Bytes; 0 is no limit."""
    cpus: float = 0.0
    gpus: int = 0
    """As many as the machine has, at most; none is not an error, and said in the task's log."""
    seconds: float = 0.0
    """Wall time of the user's process; then it is stopped as by Stop, and Exited carries ``timed_out``."""
    grace: float = 120.0
    """Seconds between the stop signal and SIGKILL."""
    processes: int = 4096


@dataclass(slots=True)
class Task:
    """One container's run."""

    id: str
    """Unique for ever, safe as a folder name."""
    kind: Literal["run", "serve"]
    image: str
    """The image URI as the caller gave it."""
    argv: list[str]
    """Command inside the sandbox; ``["train"]`` and ``["serve"]`` mean the image's own entry."""
    own_entry: bool = False
    """``argv`` are arguments to the entry point of an image that has one of its own (``Image.root``); to others it is the
    command in any case."""
    env: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    """Absolute path under /opt/ml → text, written before the start."""
    directories: list[str] = field(default_factory=list)
    """Writable directories to make under /opt/ml."""
    volumes: dict[str, str] = field(default_factory=dict)
    """Absolute path under /opt/ml or /home → name of a folder that outlives the task, safe as a folder name. A volume belongs to
    one task at a time; the next one finds what the last one left."""
    inputs: list[Input] = field(default_factory=list)
    outputs: list[Output] = field(default_factory=list)
    limits: Limits = field(default_factory=Limits)
    isolated: bool = False
    """No network beyond the sandbox's own loopback, and the task's peers if it has any."""
    hostname: str = "algo-1"
    peers: list[str] = field(default_factory=list)
    """Host names of all tasks of its job, its own among them, the same list in each; empty for a task alone. Peers start
    together once all are staged, on a network of their own in which their names resolve and every port is free."""
    meeting: str = ""
    """With peers: the id of one of their tasks, the same in each; or, of tasks whose agents share no work folder, a folder
    of this machine."""
    addresses: dict[str, str] = field(default_factory=dict)
    """Host name → IP address of the job's hosts on other machines, whose network the task shares; then it has no peers."""
    log_group: str = ""
    log_stream: str = ""
    log_marks: dict[str, str] = field(default_factory=dict)
    """What a line begins with → the stream of the group that it goes to instead, without the mark."""
    notes: list[str] = field(default_factory=list)
    """Lines that stand at the head of the log: what the user should know of how this differs from what was asked for."""
    metrics: list[dict[str, str]] = field(default_factory=list)
    """[{"Name", "Regex"}]: each log line is searched; a match is reported and stored."""
    metric_namespace: str = ""
    metric_dimensions: dict[str, str] = field(default_factory=dict)
    usage_namespace: str = ""
    """Where the sampled CPU, memory and disk use goes; dimension Host=``usage_host``."""
    usage_host: str = ""
    usage_dimensions: dict[str, str] = field(default_factory=dict)
    """Used instead of Host when given (endpoints: EndpointName, VariantName)."""
    workers: int = 1
    """serve: how many processes, each listening on its own Unix socket."""
    beside: bool = False
    """serve: it is part of the server, and runs on its machine."""
    models: dict[str, Any] = field(default_factory=dict)
    """serve: the models of a multi-model container, ``agent.model_parts.About`` as JSON; empty for a container of one. The socket
    that Ready tells is the models'."""
    on_demand: bool = False
    """serve: instead of ``workers``, any number of instances with all of the limits each, started and stopped as they are
    asked for (see ``agent.pool``); the socket that Ready tells is where to ask."""
    idle_seconds: float = 300.0
    """on_demand: how long instances go on when there is no server that could ask."""
    failure_file: str = "/opt/ml/output/failure"
    message_file: str = ""
    startup_seconds: float = 240.0
    """serve: until the first answered ping."""
    containers: list[Task] = field(default_factory=list)
    """serve: the containers of an instance that has several; each is a serve task without containers, with an image, inputs,
    variables and log of its own, and its name in ``hostname``. The instance is ready when all are; it ends when one ends."""


ReportName = Literal[
    "Preparing",  # {"Message"}: the environment is being built
    "Staging",  # inputs are being put in place
    "Started",  # the user's process runs; {"Pid"}
    "Ready",  # serve: every worker answered /ping; {"Sockets": [path, ...]}; of several containers also
    # {"Containers": [[name, how many of the sockets are its], ...]}
    "Metric",  # {"MetricName", "Value", "Timestamp"}
    "Exited",  # {"ExitCode", "Failure" (text of the failure file), "Message", "TimedOut", "Stopped", "OutOfMemory", "LastLog"};
    # and {"Unstarted": True} of a task that was stopped before its program began
    "Finished",  # outputs are stored; always the last of a task that ran
    "Failed",  # {"Reason"}: the platform or the input failed, with its ClientError/InternalServerError prefix; last
    # Exited and Failed of a task with containers also say which: {"Container"}
]


@dataclass(frozen=True, slots=True)
class Report:
    """One step of a task, durable before it is announced."""

    seq: int
    """1, 2, 3 ... within the task."""
    at: float
    name: ReportName
    data: dict[str, Any] = field(default_factory=dict)


class Compute(Protocol):
    """A compute backend. Everything is idempotent: the caller may have been killed after the same call."""

    async def submit(self, task: Task) -> None:
        """Accept a task for running; returns once it is durable."""
        ...

    async def stop(self, task_id: str, grace: float | None = None, *, discard: bool = False) -> None:
        """Send the stop signal, SIGKILL after ``grace`` seconds; outputs are still stored. Fine if it has ended.

        ``discard``: of the outputs only the continuous ones are stored, unless the task had ended before it heard.
        """
        ...

    async def reports(self, task_id: str, after: int = 0) -> list[Report]:
        """Reports with seq > after. A task whose agent vanished ends with a Failed report made here."""
        ...

    def subscribe(self, heard: Callable[[str], Awaitable[None]]) -> None:
        """``heard(task_id)`` is awaited after new reports; calls may coalesce."""
        ...

    async def forget(self, task_id: str) -> None:
        """Stop at once if it runs, then remove every trace of the task."""
        ...

    async def erase(self, volume: str) -> None:
        """Remove a volume and everything in it; fine if there is none. No task may use it any more."""
        ...

    async def close(self) -> None:
        """Let go; running tasks go on."""
        ...
