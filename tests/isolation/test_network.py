"""Hosts of one job on a network of its own: they reach each other on every port, and nothing else but by the ways given."""

from __future__ import annotations

import asyncio
import contextlib
import http.server
import json
import os
import shutil
import signal
import socket
import subprocess
import textwrap
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from sagewright.agent.oci import sources
from sagewright.agent.oci.blobs import Blobs
from sagewright.agent.oci.reference import parse
from sagewright.stores.compute import Report, Task
from sagewright.testing import containers
from sagewright.testing.compute import Bench, task

from .test_warm import warmed

numbers = iter(range(10_000))

ALL_TO_ALL = """
    import json, os, socket, sys, threading
    config = json.load(open('/opt/ml/input/config/resourceconfig.json'))
    me, hosts = config['current_host'], config['hosts']

    def exchange(port):
        server = socket.create_server(('0.0.0.0', port))
        got = {}
        def take():
            while len(got) < len(hosts):
                conn, who = server.accept()
                with conn:
                    name = conn.recv(100).decode()
                    got[name] = who[0]
                    conn.sendall(b'welcome ' + name.encode())
        taker = threading.Thread(target=take)
        taker.start()
        # no retry: everybody listens before anyone connects, once the first exchange has been the barrier
        for host in hosts:
            while True:
                try:
                    conn = socket.create_connection((host, port), timeout=20)
                    break
                except ConnectionRefusedError:
                    continue
            with conn:
                conn.sendall(me.encode())
                assert conn.recv(100) == b'welcome ' + me.encode()
        taker.join()
        server.close()
        return got

    seen = [exchange(port) for port in (7777, 22, 40000)]
    assert seen[0] == seen[1] == seen[2], seen
    print(json.dumps({'me': me, 'name': socket.gethostname(), 'seen': seen[0],
                      'init': open('/proc/1/cmdline').read(), 'own': socket.gethostbyname(me), 'interfaces': sorted(n for _, n in socket.if_nameindex())}))
"""


def cluster(code: str, count: int, **more: Any) -> list[Task]:
    """The tasks of a job on ``count`` hosts that all run the same Python code."""
    job = f"cluster-{os.getpid()}-{next(numbers)}"
    hosts = [f"algo-{n}" for n in range(1, count + 1)]
    tasks = []
    for host in hosts:
        config = {"current_host": host, "hosts": hosts, "network_interface_name": "eth0"}
        files = {"/opt/ml/code/main.py": textwrap.dedent(code), "/opt/ml/input/config/resourceconfig.json": json.dumps(config)}
        tasks.append(task(
            f"{job}-{host}", ["python3", "/opt/ml/code/main.py"], files=files, hostname=host, peers=hosts,
            meeting=f"{job}-algo-1", **more,
        ))
    return tasks


async def run(bench: Bench, tasks: list[Task]) -> list[list[Report]]:
    for one in tasks:
        await bench.compute.submit(one)
    return [await bench.until(one.id) for one in tasks]


def codes(bench: Bench, tasks: list[Task], reports: list[list[Report]]) -> list[Any]:
    return [
        next((r.data["ExitCode"] for r in of if r.name == "Exited"), (of[-1].data, bench.log(one)))
        for one, of in zip(tasks, reports, strict=True)
    ]


def answers(bench: Bench, tasks: list[Task], reports: list[list[Report]]) -> list[dict[str, Any]]:
    assert codes(bench, tasks, reports) == [0] * len(tasks), [bench.log(one) for one in tasks]
    return [json.loads(bench.log(one)[-1]) for one in tasks]


@pytest.mark.parametrize(("isolated", "warm"), [(False, False), (True, True)])
async def test_three_hosts_talk_on_the_same_ports_in_two_jobs_at_once(bench: Bench, isolated: bool, warm: bool) -> None:
    if warm:
        await warmed(bench)
    jobs = [cluster(ALL_TO_ALL, 3, isolated=isolated) for _ in range(2)]
    reports = await asyncio.gather(*(run(bench, tasks) for tasks in jobs))
    for tasks, of in zip(jobs, reports, strict=True):
        said = answers(bench, tasks, of)
        addresses = {one["me"]: one["own"] for one in said}
        assert len(set(addresses.values())) == 3
        for one in said:
            assert one["name"] == one["me"]
            assert one["seen"] == addresses, "each peer comes from its own address"
            assert one["interfaces"] == ["eth0", "lo"]
    if warm:  # one is kept ahead; others that come at once may start cold
        assert any("sagewright_container.warm" in one["init"] for tasks, of in zip(jobs, reports, strict=True) for one in answers(bench, tasks, of))


TALK = r"""
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
int main(int count, char **hosts) {
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *at;
    getaddrinfo(0, "22", &hints, &at);
    int server = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(server, at->ai_addr, at->ai_addrlen) || listen(server, 9)) return perror("listen"), 1;
    hints.ai_flags = 0;
    for (int n = 1; n < count; n++) {
        int failed = getaddrinfo(hosts[n], "22", &hints, &at), sock;
        if (failed) return fprintf(stderr, "%s: %s\n", hosts[n], gai_strerror(failed)), 1;
        while (connect(sock = socket(AF_INET, SOCK_STREAM, 0), at->ai_addr, at->ai_addrlen)) close(sock), usleep(1000);
        write(sock, "x", 1);
    }
    for (int n = 1; n < count; n++) { char got; read(accept(server, 0, 0), &got, 1); }
    printf("heard %d\n", count - 1);
    return 0;
}
"""


async def test_hosts_with_images_of_their_own_talk_too(bench: Bench, place: Path) -> None:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler")
    (place / "talk.c").write_text(TALK)
    subprocess.run([compiler, "-o", place / "talk", place / "talk.c"], check=True)  # noqa: ASYNC221
    folder = containers.root(place / "talking", programs=["sh"])
    containers.program(folder, place / "talk", "bin/talk")
    path = containers.Container([containers.tar_of(folder)], {}, compress=False).layout(place / "image-talk")
    sources.import_path(Blobs(Path(bench.settings["data"]) / "oci"), parse("talk:1"), path, {})
    tasks = cluster("", 3)
    for one in tasks:
        one.image, one.argv = "talk:1", ["/bin/talk", *one.peers]
    assert codes(bench, tasks, await run(bench, tasks)) == [0, 0, 0], [bench.log(one) for one in tasks]
    assert [bench.log(one) for one in tasks] == [["heard 3"]] * 3


ESCAPES = """
    import json, socket, urllib.request
    found = {}
    for name, where in (('server', ('127.0.0.1', %(port)d)), ('machine', (%(machine)r, %(port)d)), ('world', ('203.0.113.7', 80))):
        try:
            socket.create_connection(where, timeout=3).close()
            found[name] = 'connected'
        except OSError as error:
            found[name] = type(error).__name__
    for name, url in (('direct', 'http://127.0.0.1:%(port)d/x'), ('proxied', 'http://%(machine)s:%(port)d/x')):
        try:
            found[name] = urllib.request.urlopen(url, timeout=5).read().decode()
        except OSError as error:
            found[name] = type(error).__name__
    print(json.dumps(found))
"""


class Answering(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = f"{self.path} {self.headers['Host']} {self.headers.get('Proxy-Authorization')}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        size = int(self.headers["Content-Length"])
        total = 0
        while total < size:
            total += len(self.rfile.read(min(2**16, size - total)))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(str(total).encode())

    def log_message(self, *_: Any) -> None:
        pass


@contextlib.contextmanager
def website(address: str) -> Iterator[int]:
    server = http.server.ThreadingHTTPServer((address, 0), Answering)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


def machine_address() -> str:
    """An address of this machine that is not loopback, if it has one."""
    for found in psutil.net_if_addrs().values():
        for one in found:
            if one.family == socket.AF_INET and not one.address.startswith("127."):
                return one.address
    pytest.skip("this machine has no address but loopback")


async def test_isolated_hosts_reach_each_other_and_nothing_else(bench: Bench) -> None:
    machine = machine_address()
    with website("0.0.0.0") as port:
        tasks = cluster(ESCAPES % {"port": port, "machine": machine}, 2, isolated=True, env={"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"})
        for said in answers(bench, tasks, await run(bench, tasks)):
            assert said == {
                "server": "ConnectionRefusedError", "machine": "OSError", "world": "OSError", "direct": "URLError", "proxied": "URLError",
            }


async def test_the_api_is_where_it_was_and_the_world_behind_a_proxy(bench: Bench) -> None:
    machine = machine_address()
    with website("0.0.0.0") as port:
        tasks = cluster(ESCAPES % {"port": port, "machine": machine}, 2, env={"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"})
        for said in answers(bench, tasks, await run(bench, tasks)):
            assert said == {
                "server": "connected", "machine": "OSError", "world": "OSError",
                "direct": f"/x 127.0.0.1:{port} None", "proxied": f"/x {machine}:{port} None",
            }


async def test_an_api_at_another_address_or_name_is_found_there(bench: Bench) -> None:
    """``--host`` of a LAN address, or a public URL: the job uses that very URL."""
    machine = machine_address()
    code = "import os, urllib.request, json; print(json.dumps({'said': urllib.request.urlopen(os.environ['AWS_ENDPOINT_URL'] + '/y').read().decode()}))"
    with website("0.0.0.0") as port:
        for host in (machine, "localhost", socket.gethostname()):
            try:
                socket.create_connection((host, port), timeout=2).close()
            except OSError:
                continue  # this machine does not know its own name
            tasks = cluster(code, 2, env={"AWS_ENDPOINT_URL": f"http://{host}:{port}", })
            for said in answers(bench, tasks, await run(bench, tasks)):
                assert said == {"said": f"/y {host}:{port} None"}


async def test_the_proxy_carries_tls_and_large_bodies_and_says_what_is_wrong(bench: Bench) -> None:
    code = """
        import http.client, json, os, urllib.error, urllib.request
        from urllib.parse import urlsplit
        way = urlsplit(os.environ['HTTPS_PROXY'])
        found = {}
        tunnel = http.client.HTTPConnection(way.hostname, way.port)
        tunnel.set_tunnel(%(machine)r, %(port)d)
        tunnel.request('POST', '/', body=os.urandom(2**24))
        found['tunnel'] = tunnel.getresponse().read().decode()
        plain = urllib.request.Request('http://%(machine)s:%(port)d/', data=os.urandom(2**22))
        found['plain'] = urllib.request.urlopen(plain).read().decode()
        try:
            urllib.request.urlopen('http://%(machine)s:1/')
        except urllib.error.HTTPError as error:
            found['closed'] = [error.code, error.read().decode()]
        tunnel = http.client.HTTPConnection(way.hostname, way.port)
        tunnel.request('GET', 'http://127.0.0.1:%(port)d/')
        found['own'] = tunnel.getresponse().status
        odd = http.client.HTTPConnection(way.hostname, way.port)
        odd.request('GET', '/no-absolute-form')
        found['odd'] = odd.getresponse().status
        print(json.dumps(found))
    """
    machine = machine_address()
    with website("0.0.0.0") as port:
        tasks = cluster(code % {"machine": machine, "port": port}, 2)
        for said in answers(bench, tasks, await run(bench, tasks)):
            assert (said["tunnel"], said["plain"], said["odd"], said["own"]) == (str(2**24), str(2**22), 400, 403)
            assert said["closed"][0] == 502
            assert f"{machine}:1 cannot be reached" in said["closed"][1]


async def test_a_proxy_of_the_requests_own_is_asked_in_turn(bench: Bench) -> None:
    code = """
        import json, os, urllib.request
        found = {k: os.environ.get(k) for k in ('HTTP_PROXY', 'https_proxy')}
        found['far'] = urllib.request.urlopen('http://far.invalid/x').read().decode()
        found['near'] = urllib.request.urlopen('http://%(machine)s:%(port)d/y').read().decode()
        print(json.dumps(found))
    """
    machine = machine_address()
    with website("0.0.0.0") as port:
        env = {"HTTP_PROXY": f"http://me:secret@127.0.0.1:{port}", "NO_PROXY": machine}
        tasks = cluster(code % {"machine": machine, "port": port}, 2, env=env)
        for said in answers(bench, tasks, await run(bench, tasks)):
            assert said == {
                "HTTP_PROXY": "http://127.0.0.1:998", "https_proxy": "http://127.0.0.1:998",
                "far": "http://far.invalid/x far.invalid Basic bWU6c2VjcmV0", "near": f"/y {machine}:{port} None",
            }


async def test_isolated_hosts_hear_of_no_proxy(bench: Bench) -> None:
    code = "import os, json; print(json.dumps({k: os.environ.get(k) for k in ('HTTP_PROXY', 'NO_PROXY', 'HTTPS_PROXY')}))"
    tasks = cluster(code, 2, isolated=True)
    assert answers(bench, tasks, await run(bench, tasks)) == [dict.fromkeys(("HTTP_PROXY", "NO_PROXY", "HTTPS_PROXY"))] * 2


async def test_a_job_cannot_change_its_network(bench: Bench) -> None:
    code = """
        import json, socket, struct, fcntl
        found = {}
        def attempt(name, action):
            try:
                action()
                found[name] = 'done'
            except OSError as error:
                found[name] = type(error).__name__
        def netlink():
            sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
            body = struct.pack('=BxHiII', 0, 0, 2, 0, 1)
            sock.send(struct.pack('=IHHII', 16 + len(body), 16, 5, 1, 0) + body)
            code = -struct.unpack_from('=i', sock.recv(65536), 16)[0]
            if code:
                raise OSError(code, 'refused')
        attempt('down', netlink)
        attempt('raw', lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP))
        attempt('packet', lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0))
        attempt('address', lambda: fcntl.ioctl(socket.socket(), 0x8916, struct.pack('16sH2x4s8x', b'eth0', 2, socket.inet_aton('10.177.0.9'))))
        print(json.dumps(found))
    """
    tasks = cluster(code, 2)
    for said in answers(bench, tasks, await run(bench, tasks)):
        assert said == dict.fromkeys(("down", "raw", "packet", "address"), "PermissionError")


async def test_nobody_starts_before_everybody_is_there(bench: Bench) -> None:
    tasks = cluster("import time; print(time.time())", 2)
    await bench.compute.submit(tasks[0])
    await bench.until(tasks[0].id, "Staging")
    with pytest.raises(TimeoutError):
        await bench.until(tasks[0].id, "Started", seconds=1)
    await bench.compute.submit(tasks[1])
    reports = [await bench.until(one.id) for one in tasks]
    assert codes(bench, tasks, reports) == [0, 0]
    second = next(r.at for r in reports[1] if r.name == "Staging")
    assert float(bench.log(tasks[0])[0]) > second


async def test_a_stop_while_waiting_for_the_others_is_a_stop(bench: Bench) -> None:
    tasks = cluster("print('never')", 3)
    for one in tasks[:2]:
        await bench.compute.submit(one)
        await bench.until(one.id, "Staging")
    for one in tasks[:2]:  # the first may be the one that was to join the networks
        await bench.compute.stop(one.id)
    for one in tasks[:2]:
        exited = next(r.data for r in await bench.until(one.id) if r.name == "Exited")
        assert (exited["Stopped"], exited["ExitCode"]) == (True, 143)
        assert bench.log(one) == []


async def test_whoever_comes_first_may_vanish(bench: Bench) -> None:
    """The others wait for the server, which ends the job; they do not fail for it."""
    tasks = cluster("print('never')", 3)
    await bench.compute.submit(tasks[0])
    await bench.until(tasks[0].id, "Staging")
    await bench.compute.submit(tasks[1])
    await bench.until(tasks[1].id, "Staging")
    pid = json.loads((bench.config.data / "jobs" / tasks[0].id / "pid").read_text())["pid"]
    os.kill(pid, signal.SIGKILL)
    assert (await bench.until(tasks[0].id))[-1].name == "Failed"
    with pytest.raises(TimeoutError):
        await bench.until(tasks[1].id, "Exited", seconds=1)
    await bench.compute.stop(tasks[1].id)
    assert next(r.data for r in await bench.until(tasks[1].id) if r.name == "Exited")["Stopped"] is True


async def test_the_network_goes_on_without_the_first_and_away_with_the_last(bench: Bench) -> None:
    """The agent that joined the hosts is killed; the other two still talk. Afterwards no namespace is left."""
    code = """
        import json, os, socket, time
        me = json.load(open('/opt/ml/input/config/resourceconfig.json'))['current_host']
        open('/opt/ml/model/up', 'w').close()
        if me == 'algo-1':
            time.sleep(3600)
        while not os.path.exists('/opt/ml/model/go'):
            time.sleep(0.01)
        if me == 'algo-2':
            conn, _ = socket.create_server(('', 7777)).accept()
            print(json.dumps({'got': conn.recv(10).decode()}))
        else:
            while True:
                try:
                    conn = socket.create_connection(('algo-2', 7777), timeout=20)
                    break
                except ConnectionRefusedError:
                    time.sleep(0.01)
            conn.sendall(b'hello')
            print(json.dumps({'sent': True}))
    """
    before = namespaces()
    tasks = cluster(code, 3)
    folders = [bench.config.data / "jobs" / one.id for one in tasks]
    for one in tasks:
        await bench.compute.submit(one)
    for one in tasks:
        await bench.until(one.id, "Started")
    await come_true(lambda: all((folder / "ml" / "model" / "up").exists() for folder in folders))
    os.kill(json.loads((folders[0] / "pid").read_text())["pid"], signal.SIGKILL)
    assert (await bench.until(tasks[0].id))[-1].name == "Failed"
    for folder in folders[1:]:
        (folder / "ml" / "model" / "go").touch()
    reports = [await bench.until(one.id) for one in tasks[1:]]
    assert answers(bench, tasks[1:], reports) == [{"got": "hello"}, {"sent": True}]
    for one in tasks:
        await bench.compute.forget(one.id)
    await come_true(lambda: not namespaces() - before)
    assert not list((bench.config.data / "run").glob("*.met"))


async def come_true(condition: Callable[[], bool]) -> None:
    """Wait for what announces itself to nobody: files and processes of others."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def namespaces() -> set[str]:
    """Network namespaces that a process lives in."""
    found = set()
    for process in psutil.process_iter():
        with contextlib.suppress(OSError):
            found.add(str(Path(f"/proc/{process.pid}/ns/net").readlink()))
    return found
