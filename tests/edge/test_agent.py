"""The agent on its device: offline, bad packages, kills. Each test has an agent process and stands in for the server."""

from __future__ import annotations

import hashlib
import io
import json
import os
import select
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from .conftest import AGENT, REPOSITORY
from .server import Stand

sys.path.insert(0, str(AGENT))
from sagewright_edge_agent.client import Client
from sagewright_edge_agent.errors import AgentError

MAKE = """
import json, os, sys, tempfile
import numpy as np, onnx
from onnx import helper, numpy_helper
sys.path.insert(0, sys.argv[1])
from neo_image import compilation, files, packaging
out = sys.argv[2]
for version, factor in (("1", 2.0), ("2", 3.0)):
    folder = tempfile.mkdtemp()
    graph = helper.make_graph(
        [helper.make_node("Mul", ["x", "factor"], ["y"])], "mul", [helper.make_tensor_value_info("x", 1, ["n", 2])],
        [helper.make_tensor_value_info("y", 1, ["n", 2])], [numpy_helper.from_array(np.float32([factor]), "factor")])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), folder + "/model.onnx")
    members, _ = compilation.build(folder, {"Framework": "ONNX", "Inputs": [], "Quantization": "", "Target": "ml_c5"})
    packaging.MODEL, packaging.CONFIG, packaging.ARTIFACT, packaging.MESSAGE = folder, folder + "/c.json", out, folder + "/message"
    for name, body in members.items():
        open(folder + "/" + name, "wb").write(body)
    json.dump({"ModelName": "mul", "ModelVersion": version, "Artifact": "v%s.tar.gz" % version}, open(folder + "/c.json", "w"))
    packaging.package_model()
"""


class Device:
    """An agent process and a client of it."""

    def __init__(self, python: str, home: Path, stand: Stand, **more: Any) -> None:
        self.home, self.socket = home, str(home / "a.sock")
        self.config = stand.configuration(home, **more)
        self.command = [python, "-m", "sagewright_edge_agent", "-a", self.socket, "-c", str(self.config)]
        self.start()

    def start(self) -> None:
        environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(AGENT)}
        self.process = subprocess.Popen(self.command, env=environ, stderr=(self.home / "log").open("ab"))
        end = time.monotonic() + 60
        while True:
            try:
                self.client = Client(self.socket)
                self.client.call("ListModels")
                return
            except OSError:
                assert self.process.poll() is None, (self.home / "log").read_text()
                assert time.monotonic() < end, (self.home / "log").read_text()
                select.select([], [], [], 0.02)  # a socket that is not there yet has no event

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def versions(self) -> dict[str, str]:
        return {model["name"]: model["model_version"] for model in self.client.call("ListModels")["models"]}

    def times(self, name: str = "mul") -> float:
        """What the model multiplies with."""
        return float(self.client.predict(name, x=np.ones((1, 2), np.float32))["y"][0, 0])


@pytest.fixture(scope="session")
def packages(edge_python: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Version → package: one doubles, the other one triples."""
    out = tmp_path_factory.mktemp("packages")
    done = subprocess.run([edge_python, "-c", MAKE, str(REPOSITORY / "images/neo"), str(out)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {version: (out / f"v{version}.tar.gz").read_bytes() for version in ("1", "2")}


@pytest.fixture
def stand() -> Iterator[Stand]:
    with Stand() as made:
        yield made


@pytest.fixture
def home() -> Iterator[Path]:
    """A short path: a socket's name has at most 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="edge") as folder:
        yield Path(folder)


@pytest.fixture
def device(edge_python: str, home: Path, stand: Stand) -> Iterator[Device]:
    made = Device(edge_python, home, stand)
    yield made
    made.kill()


def repacked(body: bytes, **changed: bytes) -> bytes:
    """A package with other members; in names, ``_`` stands for a dot."""
    members = {}
    with tarfile.open(fileobj=io.BytesIO(body)) as packed:
        for member in packed:
            source = packed.extractfile(member)
            assert source is not None
            members[member.name] = source.read()
    members |= {name.replace("_", "."): text for name, text in changed.items()}
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as packed:
        for name, text in members.items():
            about = tarfile.TarInfo(name)
            about.size = len(text)
            packed.addfile(about, io.BytesIO(text))
    return out.getvalue()


def signed(body: bytes, **changed: bytes) -> bytes:
    """A package with other members and a signature that fits them."""
    other = repacked(body, **changed)
    with tarfile.open(fileobj=io.BytesIO(other)) as packed:
        files = {}
        for name in ("model.onnx", "manifest.json", "golden.npz"):
            source = packed.extractfile(name)
            assert source is not None
            files[name] = hashlib.sha256(source.read()).hexdigest()
    return repacked(other, signature_json=json.dumps({"Algorithm": "SHA-256", "Files": files}).encode())


def refused(device: Device, operation: str, **given: Any) -> str:
    with pytest.raises(AgentError) as caught:
        device.client.call(operation, **given)
    return caught.value.code


def test_applications_get_answers_and_codes_without_any_server(edge_python: str, home: Path, stand: Stand, packages: dict[str, bytes]) -> None:
    stand.down()
    device = Device(edge_python, home, stand, sagewright_edge_max_models=2, sagemaker_edge_core_capture_data_buffer_size=1)
    try:
        folder = home / "own"
        folder.mkdir()
        with tarfile.open(fileobj=io.BytesIO(packages["1"])) as packed:
            packed.extractall(folder, filter="data")
        assert device.client.call("LoadModel", name="mine", url=str(folder))["model"]["model_version"] == "1"
        assert device.times("mine") == 2.0
        about = device.client.call("DescribeModel", name="mine")["model"]
        assert about["input_tensor_metadatas"] == [{"name": "x", "data_type": "FLOAT32", "shape": [-1, 2]}]
        wrong = {"tensor_metadata": {"name": "x", "data_type": "FLOAT32", "shape": [1, 3]}, "byte_data": "AAAAAAAAAAAAAAAA"}
        assert refused(device, "Predict", name="mine", tensors=[wrong]) == "INVALID_ARGUMENT"
        assert refused(device, "Predict", name="mine", tensors=[{}]) == "INVALID_ARGUMENT"
        assert refused(device, "Predict", name="other", tensors=[]) == "NOT_FOUND"
        assert refused(device, "LoadModel", name="mine", url=str(folder)) == "ALREADY_EXISTS"
        assert refused(device, "LoadModel", name="a b", url=str(folder)) == "INVALID_ARGUMENT"
        assert refused(device, "LoadModel", name="none", url=str(home)) == "NOT_FOUND"
        (home / "bad").mkdir()
        (home / "bad/model.onnx").write_bytes(b"no model")
        assert refused(device, "LoadModel", name="bad", url=str(home / "bad")) == "FAILED_PRECONDITION"
        device.client.call("LoadModel", name="second", url=str(folder))
        assert refused(device, "LoadModel", name="third", url=str(folder)) == "RESOURCE_EXHAUSTED"
        device.client.call("CaptureData", model_name="mine", capture_id="one", inputs=[1])
        assert refused(device, "CaptureData", model_name="mine", capture_id="one", inputs=[1]) == "ALREADY_EXISTS"
        assert refused(device, "CaptureData", model_name="mine", capture_id="two", inputs=[1]) == "RESOURCE_EXHAUSTED"
        assert refused(device, "CaptureData", model_name="mine", capture_id="../x", inputs=[1]) == "INVALID_ARGUMENT"
        assert device.client.call("GetCaptureDataStatus", model_name="mine", capture_id="one") == {"status": "IN_PROGRESS"}
        assert device.client.call("GetCaptureDataStatus", model_name="mine", capture_id="none") == {"status": "NOT_FOUND"}
        device.client.call("UnLoadModel", name="second")
        assert refused(device, "UnLoadModel", name="second") == "NOT_FOUND"
        assert refused(device, "Format") == "NOT_FOUND"
        assert (home / "a.sock").stat().st_mode & 0o777 == 0o600
    finally:
        device.kill()
        stand.up()


def test_it_takes_versions_and_works_on_when_the_server_goes(device: Device, stand: Stand, packages: dict[str, bytes]) -> None:
    assert stand.offer("one", {"mul": packages["1"]})["DeploymentStatus"] == "SUCCESS"
    assert device.times() == 2.0
    done = stand.offer("two", {"mul": packages["2"]})
    (model,) = done["DeploymentModels"]
    assert (model["ModelHandle"], model["ModelName"], model["ModelVersion"], model["Status"]) == ("mul", "mul", "2", "SUCCESS")
    assert device.times() == 3.0
    stand.down()
    device.client.call("CaptureData", model_name="mul", capture_id="kept", inputs=[[1, 1]])
    assert device.times() == 3.0
    # an agent that is killed without a connection, and started without one
    device.kill()
    device.start()
    assert (device.versions(), device.times()) == ({"mul": "2"}, 3.0)
    assert device.client.call("GetCaptureDataStatus", model_name="mul", capture_id="kept") == {"status": "IN_PROGRESS"}
    stand.up()
    path = stand.until(lambda: next((p for p in stand.objects if p.endswith("/device-kept.json")), None))
    assert path.startswith("/captures/fleet-output/fleet/mul/20")
    sample = json.loads(stand.objects[path])
    assert (sample["deviceId"], sample["modelVersion"], sample["eventMetadata"]["eventId"], sample["inputs"]) == ("device", "2", "kept", [[1, 1]])
    stand.until(lambda: stand.heartbeats[-1]["Models"][0]["ModelVersion"] == "2")


def test_bad_packages_change_nothing(device: Device, stand: Stand, packages: dict[str, bytes]) -> None:
    stand.offer("one", {"mul": packages["1"]})
    with tarfile.open(fileobj=io.BytesIO(packages["1"])) as packed:
        source = packed.extractfile("golden.npz")
        assert source is not None
        doubled = source.read()
    escape = io.BytesIO()
    with tarfile.open(fileobj=escape, mode="w:gz") as packed:
        packed.addfile(tarfile.TarInfo("../../escaped"))
    for name, body, checksum, said in (
        ("checksum", packages["2"], "0" * 40, "SHA-1 is"),
        ("truncated", packages["2"][:300], "", "cannot be read"),
        ("tampered", repacked(packages["2"], model_onnx=b"other"), "", "model.onnx is not what the package's signature says"),
        ("unloadable", signed(packages["2"], model_onnx=b"other"), "", "cannot be loaded"),
        ("wrong", signed(packages["2"], golden_npz=doubled), "", "predicts something else on this device"),
        ("escape", escape.getvalue(), "", "which no package does"),
    ):
        result = stand.offer(name, {"mul": body}, **({"mul": checksum} if checksum else {}))
        assert result["DeploymentStatus"] == "FAIL"
        assert result["DeploymentStatusMessage"].startswith("rolled back: mul: ")
        assert said in result["DeploymentStatusMessage"], result
        assert device.versions() == {"mul": "1"}
    assert device.times() == 2.0
    assert list((device.home / "root/work").iterdir()) == []
    assert stand.offer("good", {"mul": packages["2"]})["DeploymentStatus"] == "SUCCESS"


def test_the_policy_says_what_becomes_of_the_good_models(device: Device, stand: Stand, packages: dict[str, bytes]) -> None:
    stand.offer("one", {"a": packages["1"], "b": packages["1"]})
    mixed = {"a": packages["2"], "b": b"no archive"}
    result = stand.offer("two", mixed)
    assert (result["DeploymentStatus"], device.versions()) == ("FAIL", {"a": "1", "b": "1"})
    result = stand.offer("three", mixed, "DO_NOTHING")
    assert (result["DeploymentStatus"], device.versions()) == ("FAIL", {"a": "2", "b": "1"})
    assert [m["Status"] for m in result["DeploymentModels"]] == ["SUCCESS", "FAIL"]


def test_a_kill_after_a_deployment_leaves_it_done_and_its_result_to_be_told(device: Device, stand: Stand, packages: dict[str, bytes]) -> None:
    stand.offer("one", {"mul": packages["1"]})
    fetched = len(stand.requests)
    stand.post_offer("two", {"mul": packages["2"]})
    stand.until(lambda: "/GetDeployments" in stand.requests[fetched:])
    stand.failing.add("/SendHeartbeat")
    state = device.home / "root/state.json"
    end = time.monotonic() + 30
    while "two" not in json.loads(state.read_text())["done"] and not stand.results("two"):
        assert time.monotonic() < end
        select.select([], [], [], 0.01)  # the file is all that a killed agent leaves to be seen
    device.kill()
    stand.failing.clear()
    device.start()
    assert stand.result("two")["DeploymentStatus"] == "SUCCESS"
    assert (device.versions(), device.times()) == ({"mul": "2"}, 3.0)
    assert len(stand.results("two")) == 1


def test_a_spoiled_disk_brings_the_version_before(device: Device, stand: Stand, packages: dict[str, bytes]) -> None:
    stand.offer("one", {"mul": packages["1"]})
    stand.offer("two", {"mul": packages["2"]})
    state = json.loads((device.home / "root/state.json").read_text())
    device.kill()
    (device.home / "root/models" / state["models"]["mul"] / "model.onnx").write_bytes(b"spoiled")
    device.start()
    assert (device.versions(), device.times()) == ({"mul": "1"}, 2.0)


def test_one_agent_a_socket_and_a_clean_end(device: Device) -> None:
    second = subprocess.run(device.command, env={"PYTHONPATH": str(AGENT)}, capture_output=True, text=True, check=False)
    assert (second.returncode, "another agent listens on" in second.stderr) == (2, True)
    device.process.terminate()
    assert device.process.wait(30) == 0
    assert not Path(device.socket).exists()


def test_a_configuration_that_cannot_be_used_is_refused(edge_python: str, home: Path) -> None:
    (home / "config.json").write_text(json.dumps({"sagewright_edge_heart": 1}))
    command = [edge_python, "-m", "sagewright_edge_agent", "-a", str(home / "a.sock"), "-c", str(home / "config.json")]
    done = subprocess.run(command, env={"PYTHONPATH": str(AGENT)}, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "unknown keys sagewright_edge_heart" in done.stderr
