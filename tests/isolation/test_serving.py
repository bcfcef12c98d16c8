"""Serve tasks: sockets that answer, a dead worker that comes back, a clean stop, and start-up failures with a reason."""

from __future__ import annotations

import asyncio
import socket
import textwrap
from pathlib import Path

import pytest

from sagewright.stores.compute import Input, Task
from sagewright.testing.compute import Bench, task

from .test_sandbox import exit_of, ids

SERVER = textwrap.dedent("""
    import http.server, os, signal, socketserver, sys
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path == "/die":
                os._exit(9)
            body = str(os.environ["SAGEWRIGHT_WORKER"]).encode()
            self.send_response(200); self.send_header("Content-Length", str(len(body))); self.end_headers(); self.wfile.write(body)
        def address_string(self): return "local"
        def log_message(self, *_): pass
    class Server(socketserver.UnixStreamServer):
        request_queue_size = 64
    def stop(*_):
        print("stopping", flush=True)
        sys.exit(0)
    signal.signal(signal.SIGTERM, stop)
    print("worker up", flush=True)
    with Server(os.environ["SAGEWRIGHT_SOCKET"], Handler) as server:
        server.serve_forever()
""")


def serve(bench: Bench, code: str, **more: object) -> Task:
    (Path(bench.settings["image"]) / "serve.py").write_text(code)
    return task(f"serve-{next(ids)}", ["serve"], kind="serve", **more)


@pytest.fixture
def image(place: Path) -> None:
    (place / "image").mkdir(exist_ok=True)
    (place / "image" / "serve.py").write_text(SERVER)


pytestmark = pytest.mark.usefixtures("image")


def get(path: str, page: str = "/ping") -> bytes:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(path)
        sock.sendall(f"GET {page} HTTP/1.0\r\n\r\n".encode())
        return sock.makefile("rb").read()


async def test_workers_answer_come_back_and_stop(bench: Bench) -> None:
    job = serve(bench, SERVER, workers=2)
    await bench.compute.submit(job)
    reports = await bench.until(job.id, "Ready")
    assert reports[-1].name == "Ready", reports
    sockets = reports[-1].data["Sockets"]
    assert [get(path)[-1:] for path in sockets] == [b"0", b"1"]
    assert get(sockets[1], "/die") == b""
    async with asyncio.timeout(20):
        while len([r for r in await bench.compute.reports(job.id) if r.name == "Ready"]) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert [get(path)[-1:] for path in sockets] == [b"0", b"1"]
    assert any("worker 1 ended" in line for line in bench.log(job))
    await bench.compute.stop(job.id)
    reports = await bench.until(job.id, seconds=20)
    assert exit_of(reports)["Stopped"] is True
    assert reports[-1].name == "Finished"
    assert bench.log(job).count("stopping") == 2


async def test_a_worker_that_ends_at_once_says_why(bench: Bench) -> None:
    job = serve(bench, "import sys\nprint('no model here', flush=True)\nsys.exit(4)\n")
    reports = await bench.run(job)
    assert exit_of(reports)["ExitCode"] == 4
    assert "no model here" in exit_of(reports)["LastLog"]


async def test_a_worker_that_never_answers(bench: Bench) -> None:
    job = serve(bench, "import time\nprint('thinking', flush=True)\ntime.sleep(60)\n", startup_seconds=1.0)
    reports = await bench.run(job, seconds=20)
    assert reports[-1].name == "Failed"
    assert "/ping" in reports[-1].data["Reason"]
    assert "thinking" in reports[-1].data["Reason"]
    assert "SAGEWRIGHT_SOCKET" in reports[-1].data["Reason"], "nothing listened on it"


async def test_a_server_on_tcp_alone_is_told_where_to_listen(bench: Bench) -> None:
    code = "import http.server\nhttp.server.HTTPServer(('127.0.0.1', 8080), http.server.SimpleHTTPRequestHandler).serve_forever()\n"
    reports = await bench.run(serve(bench, code, startup_seconds=1.0, isolated=True), seconds=20)
    assert reports[-1].name == "Failed"
    assert "SAGEWRIGHT_SOCKET" in reports[-1].data["Reason"]
    assert "8080" in reports[-1].data["Reason"]


async def test_a_worker_cannot_lead_its_successors_mounts_outside(bench: Bench, tmp_path: Path) -> None:
    """Mount points are made with rights that jobs do not have, in folders that jobs may exchange for links."""
    outside = tmp_path / "outside"
    outside.mkdir()
    bench.ports.objects.put("b", "extra/weights", b"w")  # type: ignore[attr-defined]
    prepare = f"import os; os.rename('/opt/ml/extra', '/opt/ml/old'); os.symlink('{outside}', '/opt/ml/extra')\n"
    job = serve(bench, prepare + SERVER, inputs=[Input("/opt/ml/extra/data", "s3://b/extra/")])
    await bench.compute.submit(job)
    reports = await bench.until(job.id, "Ready")
    get(reports[-1].data["Sockets"][0], "/die")
    reports = await bench.until(job.id, seconds=20)
    assert reports[-1].name == "Failed", reports
    assert "no place for /opt/ml/extra/data" in reports[-1].data["Reason"]
    assert not list(outside.iterdir())
