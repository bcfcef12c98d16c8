"""The agent: its models, and the thread that talks to the server. Applications never wait for the server."""

from __future__ import annotations

import json
import logging
import re
import threading
import time
from pathlib import Path
from typing import Any

from . import __version__, tensors
from .captures import Captures
from .cloud import Cloud, Offline, Refused
from .config import Config
from .deployment import carry_out
from .errors import AgentError
from .model import Model
from .state import Disk

log = logging.getLogger("sagewright_edge_agent")
NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9])*")


class Agent:
    """One device's agent. The methods of applications are those of Edge Manager's agent."""

    def __init__(self, config: Config) -> None:
        self.config, self.disk, self.cloud = config, Disk(config.root), Cloud(config)
        self.state = self.disk.load()
        self.captures = Captures(config, self.disk.captures)
        self._lock = threading.Lock()
        self._models: dict[str, Model] = {}
        self._wake = threading.Event()
        self._stopping = False
        self._registered_until = 0.0
        for handle, package in self.state.models.items():
            self._recover(handle, package)

    def _recover(self, handle: str, package: str) -> None:
        """After a start: the deployed version, or the one before when the disk has spoiled it."""
        for name in dict.fromkeys((package, self.state.previous.get(handle, package))):
            try:
                self._models[handle] = Model(handle, self.disk.models / name, self.config.threads)
                return
            except (ValueError, OSError) as error:
                log.error("%s (%s) cannot be loaded: %s", handle, name, error)

    # -- what applications call

    def LoadModel(self, name: str, url: str) -> dict[str, Any]:
        """Load a package's folder of this device under a name of one's own; gone when the agent stops."""
        if not NAME.fullmatch(name):
            raise AgentError("INVALID_ARGUMENT", "a model's name has letters, digits and single dashes")
        with self._lock:
            if name in self._models:
                raise AgentError("ALREADY_EXISTS", f"a model {name} is loaded already")
            if len(self._models) >= self.config.max_models:
                raise AgentError("RESOURCE_EXHAUSTED", f"{self.config.max_models} models are loaded; no more are taken")
        folder = Path(url)
        if not (folder / "model.onnx").is_file():
            raise AgentError("NOT_FOUND", f"{url} holds no compiled model")
        try:
            model = Model(name, folder, self.config.threads)
        except ValueError as error:
            raise AgentError("FAILED_PRECONDITION", str(error)) from error
        with self._lock:
            if self._models.setdefault(name, model) is not model:
                raise AgentError("ALREADY_EXISTS", f"a model {name} is loaded already")
        return {"model": model.about()}

    def UnLoadModel(self, name: str) -> dict[str, Any]:
        """Out of memory; a deployed one comes back when the agent starts again."""
        with self._lock:
            if self._models.pop(name, None) is None:
                raise AgentError("NOT_FOUND", f"there is no model {name}")
        return {}

    def ListModels(self) -> dict[str, Any]:
        return {"models": [model.about() for _, model in sorted(self._models.items())]}

    def DescribeModel(self, name: str) -> dict[str, Any]:
        return {"model": self._model(name).about()}

    def Predict(self, name: str, tensors_: list[Any]) -> dict[str, Any]:
        found = self._model(name).predict(dict(tensors.read(tensor) for tensor in tensors_))
        return {"tensors": [tensors.write(output, array) for output, array in found.items()]}

    def CaptureData(self, model_name: str, capture_id: str, body: dict[str, Any]) -> dict[str, Any]:
        """Keep a sample; it is sent when there is a connection."""
        model = self._model(model_name)
        self.captures.take(model_name, model.version, capture_id, body)
        model.latest_sample = time.time()
        self._wake.set()
        return {}

    def GetCaptureDataStatus(self, model_name: str, capture_id: str) -> dict[str, Any]:
        return {"status": self.captures.status(model_name, capture_id)}

    def _model(self, name: str) -> Model:
        try:
            return self._models[name]
        except KeyError:
            raise AgentError("NOT_FOUND", f"there is no model {name}") from None

    # -- the server

    def run(self) -> None:
        """Until ``stop``: heartbeats, deployments, captures. Without a connection everything waits, and nothing is lost."""
        quiet = 0.0
        while not self._stopping:
            self._wake.clear()
            try:
                self.turn(time.monotonic() >= quiet)
                if time.monotonic() >= quiet:
                    quiet = time.monotonic() + self.config.heartbeat
            except (Offline, Refused) as error:
                log.warning("no contact: %s", error)
                # a capture does not wake an agent that is offline: the next try is the next heartbeat
                quiet = time.monotonic() + self.config.heartbeat
                self._sleep(quiet)
                continue
            except Exception:
                log.exception("a turn failed")
                quiet = time.monotonic() + self.config.heartbeat
            self._wake.wait(max(0.0, quiet - time.monotonic()))

    def _sleep(self, until: float) -> None:
        while not self._stopping and (left := until - time.monotonic()) > 0:
            self._wake.wait(left)
            self._wake.clear()

    def turn(self, beat: bool = True) -> None:
        """One round with the server. Raises Offline, Refused."""
        if beat:
            self.heartbeat()
            if time.monotonic() >= self._registered_until:
                self.register()
            for deployment in self.cloud.edge("GetDeployments").get("Deployments", []):
                if deployment["DeploymentName"] not in self.state.done:
                    self.deploy(deployment)
                    self.heartbeat()
        self.captures.push(self.cloud, self.state)

    def register(self) -> None:
        """Ask anew who this device is and where its captures go; until the answer's time is over, and without a connection, the
        last one counts."""
        answer = self.cloud.edge("GetDeviceRegistration")
        self._registered_until = time.monotonic() + float(answer.get("CacheTTL") or 0)
        found = json.loads(answer["DeviceRegistration"])
        if found != self.state.registration:
            self.state.registration = found
            self.disk.save(self.state)

    def heartbeat(self) -> None:
        """Tell what runs, and the results that the server has not confirmed: one a heartbeat, the oldest first."""
        while True:
            about: dict[str, Any] = {"AgentVersion": __version__, "Models": [self._told(m) for _, m in sorted(self._models.items())]}
            if self.state.results:
                about["DeploymentResult"] = self.state.results[0]
            self.cloud.edge("SendHeartbeat", **about)
            if not self.state.results:
                return
            self.state.results.pop(0)
            self.disk.save(self.state)
            if not self.state.results:
                return

    @staticmethod
    def _told(model: Model) -> dict[str, Any]:
        about: dict[str, Any] = {"ModelName": model.model_name, "ModelVersion": model.version}
        if model.latest_inference:
            about["LatestInference"] = model.latest_inference
        if model.latest_sample:
            about["LatestSampleTime"] = model.latest_sample
        return about

    def deploy(self, deployment: dict[str, Any]) -> None:
        """Carry out, write down, then switch: whoever is killed between these finds the one or the other on the disk."""
        outcome = carry_out(deployment, self.config, self.cloud, self.disk, set(self._models))
        state = self.state
        if outcome.models or outcome.removed:
            state.previous = dict(state.models)
            state.models = {
                **{h: p for h, p in state.models.items() if h not in outcome.removed},
                **{handle: model.folder.name for handle, model in outcome.models.items()},
            }  # fmt: skip
        state.done.append(deployment["DeploymentName"])
        state.results.append(outcome.result)
        self.disk.save(state)
        with self._lock:
            self._models = {**{h: m for h, m in self._models.items() if h not in outcome.removed}, **outcome.models}
        self.disk.sweep(state)
        log.info("deployment %s: %s %s", deployment["DeploymentName"], outcome.result["DeploymentStatus"], outcome.result["DeploymentStatusMessage"])

    def stop(self) -> None:
        self._stopping = True
        self._wake.set()
