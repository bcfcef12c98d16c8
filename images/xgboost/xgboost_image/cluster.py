"""Training on several hosts: each has its part of the data, and all build one model, by XGBoost's own collective.

The first host hears from the others what data they have, says who trains, and runs the tracker by which they find each
other. Hosts without training data have nothing to do, as with sharded channels of few objects.
"""

import json
import logging
import socket
import time
from contextlib import contextmanager
from typing import Any, Dict, Iterator, List, Optional

import numpy as np
import xgboost as xgb

from sagewright_container.errors import CustomerError
from sagewright_container.job import Job

PORT = 9099
PATIENCE = 600.0
"""Seconds that a host waits for the first one; they start together, so that only a broken one takes longer."""
VERSION = tuple(int(part) for part in xgb.__version__.split(".")[:2])
COLLECTIVE = VERSION >= (1, 7)
"""Until then it was called rabit."""
OLDEST = (1, 0)
"""Older wheels come without a tracker."""


class Cluster:
    """This host's place in the training. ``trainers``: the hosts that train, in order."""

    def __init__(self, host: str, trainers: List[str], arguments: Dict[str, Any], tracker: Any) -> None:
        self.host, self.trainers = host, trainers
        self._arguments, self._tracker = arguments, tracker

    @property
    def trains(self) -> bool:
        return self.host in self.trainers

    @property
    def saves(self) -> bool:
        """Whether this host writes what all of them have: checkpoints and the model."""
        return self.host == self.trainers[0]

    @contextmanager
    def together(self) -> Iterator[None]:
        """Within it, XGBoost works with the other hosts."""
        if len(self.trainers) < 2 or not self.trains:
            yield
        elif COLLECTIVE:
            task = {"DMLC_TASK_ID" if VERSION < (2, 1) else "dmlc_task_id": self.host}
            with xgb.collective.CommunicatorContext(**self._arguments, **task):
                yield
        else:
            named = {**self._arguments, "DMLC_TASK_ID": self.host}
            xgb.rabit.init(["{}={}".format(name, value).encode() for name, value in named.items()])
            try:
                yield
            finally:
                xgb.rabit.finalize()

    def agree(self, flag: bool) -> bool:
        """Whether the flag is up on any host: all must end after the same round."""
        if len(self.trainers) < 2:
            return flag
        module = xgb.collective if COLLECTIVE else xgb.rabit
        return bool(module.allreduce(np.array([flag], dtype=np.int32), module.Op.MAX)[0])

    def end(self) -> None:
        """Wait until everybody has said goodbye to the tracker, if it runs here."""
        if self._tracker is not None:
            (self._tracker.wait_for if VERSION >= (2, 1) else self._tracker.join)()


def gather(job: Job, has: Dict[str, bool]) -> Cluster:
    """Tell the first host which channels have data here, and hear who trains.

    Raises:
        CustomerError: the data, or this release of XGBoost, do not allow it.
    """
    if VERSION < OLDEST:
        raise CustomerError("XGBoost %s trains on one instance; set the instance count to 1, or take 1.0-1 or later" % xgb.__version__)
    first = job.hosts[0]
    tracker = None
    if job.host == first:
        with socket.create_server(("", PORT)) as server:
            conns = [server.accept()[0] for _ in job.hosts[1:]]
        everybody = {first: has}
        for conn in conns:
            said = _line(conn)
            everybody[said["host"]] = said["has"]
        answer = decide(job.hosts, everybody)
        if len(answer.get("trainers", [])) > 1:
            tracker = start(first, len(answer["trainers"]))
            answer["arguments"] = arguments(tracker)
        for conn in conns:
            with conn:
                conn.sendall(json.dumps(answer).encode() + b"\n")
    else:
        with _connect(first) as conn:
            conn.sendall(json.dumps({"host": job.host, "has": has}).encode() + b"\n")
            answer = _line(conn)
    if "error" in answer:
        raise CustomerError(answer["error"])
    return Cluster(job.host, answer["trainers"], answer.get("arguments", {}), tracker)


def decide(hosts: List[str], has: Dict[str, Dict[str, bool]]) -> Dict[str, Any]:
    """Who trains, or why nobody can: an evaluation takes part of every host that trains."""
    trainers = [host for host in hosts if has[host].get("train")]
    if not trainers:
        return {"error": "No data in the channel train"}
    validating = [host for host in trainers if has[host].get("validation")]
    if validating and validating != trainers:
        lacking = ", ".join(host for host in trainers if host not in validating)
        return {"error": "No data in the channel validation on %s, which has training data" % lacking}
    return {"trainers": trainers}


def start(host: str, count: int) -> Any:
    """The tracker of ``count`` hosts, running."""
    address = socket.gethostbyname(host)
    if VERSION >= (2, 1):
        tracker = xgb.tracker.RabitTracker(count, address)
        tracker.start()
        return tracker
    from xgboost.tracker import RabitTracker

    if VERSION < (1, 5):
        _hear_metrics()
    tracker = RabitTracker(address, count)
    tracker.start(count)
    return tracker


def _hear_metrics() -> None:
    """The older trackers log what the hosts have to print: their lines of metrics, which belong into the job's log."""

    class Printer(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            text = record.getMessage()
            if text.startswith("["):
                print(text, flush=True)

    logging.getLogger().addHandler(Printer())
    logging.getLogger().setLevel(logging.INFO)


def arguments(tracker: Any) -> Dict[str, Any]:
    """What the hosts must be told to find the tracker."""
    for name in ("worker_args", "worker_envs", "slave_envs"):
        if hasattr(tracker, name):
            found: Dict[str, Any] = dict(getattr(tracker, name)())
            return found
    raise CustomerError("XGBoost %s has another tracker than is known" % xgb.__version__)


def _connect(host: str) -> socket.socket:
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return socket.create_connection((host, PORT), timeout=PATIENCE)
        except ConnectionRefusedError:
            if time.monotonic() > end:
                raise CustomerError("The host %s does not answer" % host) from None
            time.sleep(0.02)  # it has not come to listening yet, and tells nobody when


def _line(conn: socket.socket) -> Dict[str, Any]:
    text = b""
    while not text.endswith(b"\n"):
        part: Optional[bytes] = conn.recv(65536)
        if not part:
            raise CustomerError("Another host of the cluster ended")
        text += part
    found: Dict[str, Any] = json.loads(text.decode())
    return found
