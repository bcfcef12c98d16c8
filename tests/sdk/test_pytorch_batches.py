"""Requests to a TorchScript endpoint that come while the model is busy are predicted together, if its owner says that it can."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from sagewright.bootstrap.agent import images
from sagewright.settings import Settings
from sagewright.testing.models import Models, packed
from sagewright.testing.server import TestServer
from sagewright.testing.signed import Connection, request

IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-inference:2.13.0-cpu-py311"
MOST = 4
SCRIPT = """
import sys

import torch


class Together(torch.nn.Module):
    def forward(self, rows):
        weights = torch.ones(300, 300)
        for _ in range(int(rows[0, 0])):  # how much work the request is
            weights = torch.mm(weights, weights) / 300.0
        return torch.stack((rows[:, 1], torch.full((rows.size(0),), float(rows.size(0)))), 1)


torch.jit.script(Together()).save(sys.argv[1])
"""
pytestmark = [pytest.mark.xdist_group("sdk"), pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def model(server: TestServer, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The archive of a model that says of each row how many it was predicted with."""
    catalogue = images(Settings.load(environ={**os.environ, "SAGEWRIGHT_DATA": str(server.data)}))
    image = catalogue.resolve(IMAGE)
    catalogue.ensure(image)
    folder: Path = tmp_path_factory.mktemp("model")
    (folder / "made.py").write_text(SCRIPT)  # TorchScript is made of sources, which have to lie in a file
    subprocess.run([image.python, folder / "made.py", folder / "model.pt"], check=True)
    return packed({"model.pt": (folder / "model.pt").read_bytes()})


@pytest.mark.parametrize("most", [1, MOST])
def test_batches(server: TestServer, model: bytes, most: int) -> None:
    models = Models(server)
    name, given = models.name(), {"SAGEMAKER_TS_BATCH_SIZE": str(most)} if most > 1 else {}
    environment = {"SAGEMAKER_MODEL_SERVER_WORKERS": "1", **given}
    container = {"Image": IMAGE, "ModelDataUrl": models.put("model.tar.gz", model), "Environment": environment}
    models.sagemaker.create_model(ModelName=name, PrimaryContainer=container, ExecutionRoleArn=models.role)
    endpoint = models.endpoint(models.config(name))
    assert models.settled(endpoint)["EndpointStatus"] == "InService"

    path, plain = f"/endpoints/{endpoint}/invocations", {"Content-Type": "application/json", "Accept": "application/json"}
    connections = [Connection(server) for _ in range(7)]
    asked = [request(server, path, json.dumps([[0 if n else 2000, n]]).encode(), plain) for n in range(7)]
    for connection, raw in zip(connections, asked, strict=True):
        connection.send(raw)
    answers = [json.loads(connection.read().body) for connection in connections]
    for connection in connections:
        connection.socket.close()
    models.delete(endpoint)
    assert [row for [[row, _]] in answers] == list(range(7)), "everybody gets his own row's answer"
    sizes = [int(size) for [[_, size]] in answers]
    assert max(sizes) == most, sizes
