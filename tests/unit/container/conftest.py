"""The real environments of a few images, kept between runs, and a private /opt/ml tree for each test."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import sagewright_container
from sagewright.agent.images import Catalogue
from sagewright.gateway import frames
from sagewright.gateway.answer import Answer
from sagewright.stores.images import Image

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    return Catalogue([ROOT / "images"], Path(os.environ["SAGEWRIGHT_ENVIRONMENTS"]))


@pytest.fixture(scope="session")
def toolkit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the toolkit and nothing else, as jobs see it."""
    folder = tmp_path_factory.mktemp("toolkit")
    (folder / "sagewright_container").symlink_to(Path(sagewright_container.__file__).parent)
    return folder


@dataclass
class Container:
    """One image over one tree."""

    image: Image
    ml: Path
    toolkit: Path
    env: dict[str, str] = field(default_factory=dict)
    before: list[str] = field(default_factory=list)
    """A command that starts the entry point, such as ``unshare``."""

    def configure(self, hyperparameters: dict[str, str], channels: dict[str, str | None] | None = None, **more: Any) -> None:
        config = self.ml / "input" / "config"
        config.mkdir(parents=True, exist_ok=True)
        (config / "hyperparameters.json").write_text(json.dumps(hyperparameters))
        data = {
            name: {"TrainingInputMode": "File", "S3DistributionType": "FullyReplicated", "RecordWrapperType": "None"}
            | ({"ContentType": content} if content else {})
            for name, content in (channels or {}).items()
        }
        (config / "inputdataconfig.json").write_text(json.dumps(data))
        group = {"instance_group_name": "homogeneousCluster", "instance_type": "ml.m5.large", "hosts": ["algo-1"]}
        resources = {
            "current_host": "algo-1", "hosts": ["algo-1"], "current_instance_type": "ml.m5.large",
            "current_group_name": "homogeneousCluster", "instance_groups": [group], "network_interface_name": "eth0",
        }  # fmt: skip
        (config / "resourceconfig.json").write_text(json.dumps(resources | more.pop("resources", {})))
        for name, document in more.items():
            (config / f"{name}.json").write_text(json.dumps(document))

    def put(self, path: str, content: str | bytes) -> Path:
        target = self.ml / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content.encode() if isinstance(content, str) else content)
        return target

    def environ(self, **more: str) -> dict[str, str]:
        keep = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        base = {"SAGEMAKER_BASE_DIR": str(self.ml), "PYTHONPATH": str(self.toolkit), "PYTHONUNBUFFERED": "1"}
        return {**keep, **self.image.env, **base, **self.env, **more}

    def argv(self, verb: str) -> list[str]:
        return [str(self.image.python), str(self.image.folder / self.image.entries[verb])]

    def train(self, **env: str) -> subprocess.CompletedProcess[str]:
        (self.ml / "output" / "failure").unlink(missing_ok=True)
        return subprocess.run([*self.before, *self.argv("train")], env=self.environ(**env), capture_output=True, text=True, check=False)

    def python(self, code: str, *arguments: str) -> str:
        """What a program of the image's own Python prints: the reference to compare with."""
        argv = [str(self.image.python), "-W", "ignore", "-c", code, *arguments]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, env=self.environ())
        assert done.returncode == 0, done.stderr
        return done.stdout

    @property
    def failure(self) -> str:
        path = self.ml / "output" / "failure"
        return path.read_text() if path.exists() else ""


@pytest.fixture
def make(catalogue: Catalogue, toolkit: Path, tmp_path: Path) -> Callable[[str], Container]:
    def container(uri: str) -> Container:
        image = catalogue.resolve(uri)
        catalogue.ensure(image)
        return Container(image, tmp_path / "ml", toolkit)

    return container


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """``serving(container, **env)`` starts the model server and returns its httpx client once /ping answers."""
    import time

    import httpx

    started: list[tuple[subprocess.Popen[str], Any]] = []

    def serve(container: Container, **env: str) -> httpx.Client:
        socket = tmp_path / f"s{len(started)}"
        process = subprocess.Popen(
            container.argv("serve"), env=container.environ(SAGEWRIGHT_SOCKET=str(socket), **env), text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )
        client = httpx.Client(transport=httpx.HTTPTransport(uds=str(socket)), base_url="http://model", timeout=30)
        started.append((process, client))
        until = time.monotonic() + 60
        while time.monotonic() < until:
            try:
                assert client.get("/ping").status_code == 200
                return client
            except httpx.TransportError:
                if process.poll() is not None:
                    assert process.stdout is not None
                    raise RuntimeError(process.stdout.read()) from None
                time.sleep(0.05)  # the socket appears when the model is loaded; nothing announces it outside
        raise RuntimeError("the server did not answer /ping")

    yield serve
    for process, client in started:
        client.close()
        process.terminate()
        assert process.wait(10) in (0, 1)
        assert process.stdout is not None
        process.stdout.close()


@pytest.fixture
def together(tmp_path: Path) -> Callable[[str, list[str]], list[Answer]]:
    """``together(content_type, bodies)``: the first model server's answers to requests that come to it at once, as the gateway sends them."""

    async def ask(content_type: str, bodies: list[str]) -> list[Answer]:
        connection = await frames.connect(str(tmp_path / "s0"))
        assert connection is not None
        futures: list[asyncio.Future[Any]] = [asyncio.get_running_loop().create_future() for _ in bodies]
        for body, future in zip(bodies, futures, strict=True):
            connection.submit(f"POST /invocations\ncontent-type:{content_type}".encode(), body.encode(), future.set_result)
        return list(await asyncio.gather(*futures))

    return lambda content_type, bodies: asyncio.run(ask(content_type, bodies))
