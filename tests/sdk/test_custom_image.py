"""The SDK with an image that somebody pushed to this server's registry."""

from __future__ import annotations

from pathlib import Path

import pytest

from sagewright.agent.oci import sources
from sagewright.agent.oci.blobs import Blobs
from sagewright.agent.oci.reference import parse
from sagewright.testing import containers
from sagewright.testing.containers import Container, tar
from sagewright.testing.sdk import run
from sagewright.testing.server import TestServer

SCRIPTS = Path(__file__).parent / "scripts"
pytestmark = pytest.mark.xdist_group("sdk")
TRAIN = """
import os
rows = open("/opt/ml/input/data/train/train.csv").read().strip()
depth = open("/opt/ml/input/config/hyperparameters.json").read()
open("/opt/ml/model/weights", "w").write(rows + " " + depth)
"""
SERVE = """
import os, socket
with socket.create_server(("0.0.0.0", 8080)) as server:
    while True:
        conn, _ = server.accept()
        with conn, conn.makefile("rb") as reader:
            line, length = reader.readline(), 0
            while (header := reader.readline().strip().lower()):
                if header.startswith(b"content-length:"):
                    length = int(header.split(b":")[1])
            body = reader.read(length) + b" by " + open("/opt/ml/model/weights", "rb").read()
            conn.sendall(b"HTTP/1.1 200 OK\\r\\nConnection: close\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(body) + body)
"""


def test_v2_trains_deploys_and_predicts_with_it(server: TestServer, tmp_path: Path) -> None:
    root = containers.root(tmp_path / "root", programs=("sh",))
    words = containers.python(root)
    code = tar([("srv/train.py", TRAIN), ("srv/serve.py", SERVE)])
    entry = ["sh", "-c", f"exec {' '.join(words)} /srv/$0.py"]
    image = Container([containers.tar_of(root), code], {"Entrypoint": entry, "Env": [containers.PYTHON_ENV, "PATH=/bin"]}, compress=False)
    sources.import_path(Blobs(server.data / "oci"), parse("sdk/own:1"), image.layout(tmp_path / "layout"), {})
    result = run(server, "v2", SCRIPTS / "v2_custom_image.py", "123456789012.dkr.ecr.us-east-1.amazonaws.com/sdk/own:1")
    assert result == {"answer": 'abc by 1,2,3 {"depth": "3"}', "status": "Completed"}
