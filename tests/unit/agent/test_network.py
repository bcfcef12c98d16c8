"""The network of a job's host on paper: addresses, names, ways out, and what its proxy makes of a request."""

from __future__ import annotations

import base64
import socket
import struct
from typing import Any

import pytest

from sagewright.agent.network import netlink
from sagewright.agent.network.forward import beyond, near, target
from sagewright.agent.network.netlink import Namespace
from sagewright.agent.network.plan import address, plan
from sagewright.stores.compute import Task


def task(number: int = 1, count: int = 3, url: str = "", **more: Any) -> Task:
    peers = [f"algo-{n}" for n in range(1, count + 1)]
    env = {"AWS_ENDPOINT_URL": url} if url else {}
    return Task("id", "run", "image", ["train"], hostname=f"algo-{number}", peers=peers, meeting="id", env={**env, **more.pop("env", {})}, **more)


def test_every_host_knows_every_other_by_name() -> None:
    plans = [plan(task(number)) for number in (1, 2, 3)]
    assert len({one.address for one in plans}) == 3
    assert len({one.hosts for one in plans}) == 1
    for number, one in enumerate(plans, 1):
        assert f"{one.address} algo-{number}\n" in one.hosts
    assert address(300) == "10.177.1.44"


def test_isolated_means_no_way_out() -> None:
    one = plan(task(url="http://127.0.0.1:4566", isolated=True))
    assert (one.api, one.proxy, one.env, one.listen) == (None, False, {}, [])
    assert one.request(switch=True) == {"listen": [], "addresses": [], "switch": True}


@pytest.mark.parametrize(("url", "outside", "inside", "more"), [
    ("http://127.0.0.1:4566", ("127.0.0.1", 4566), ("127.0.0.1", 4566), ""),
    ("https://127.0.0.2", ("127.0.0.2", 443), ("127.0.0.2", 443), ""),
    ("http://localhost:80/", ("localhost", 80), ("127.0.0.1", 80), ""),
    ("http://0.0.0.0:4566", ("0.0.0.0", 4566), ("127.0.0.1", 4566), ""),
    ("http://[::1]:4566", ("::1", 4566), ("::1", 4566), ""),
    ("http://192.0.2.7:4566", ("192.0.2.7", 4566), ("192.0.2.7", 4566), ""),
    ("https://sagewright.example", ("sagewright.example", 443), ("127.0.0.1", 443), "127.0.0.1 sagewright.example\n"),
    ("http://[2001:db8::1]:4566", None, None, ""),
    ("", None, None, ""),
])
def test_where_the_api_is(url: str, outside: Any, inside: Any, more: str) -> None:
    one = plan(task(url=url))
    assert (one.api, one.api_inside) == (outside, inside)
    assert one.hosts.endswith("algo-3\n" + more)
    own = [inside[0]] if inside and inside[0].startswith("192.") else []
    assert one.request(switch=False)["addresses"] == own, "an address that is not loopback's must be added to it"
    if outside:
        assert outside[0] in one.env["NO_PROXY"].split(",")


def test_peers_are_not_asked_for_by_the_proxy() -> None:
    one = plan(task(url="http://127.0.0.1:4566"))
    for name in ("algo-2", address(2), "localhost", "127.0.0.1"):
        assert name in one.env["no_proxy"].split(",")
    assert one.env["https_proxy"] == one.env["HTTP_PROXY"] == "http://127.0.0.1:998"


def test_the_tasks_own_proxies_are_upstream() -> None:
    one = plan(task(env={"http_proxy": "http://a:1", "HTTPS_PROXY": "b:2", "NO_PROXY": "c", "ALL_PROXY": "d"}))
    assert one.upstream == {"http": "http://a:1", "https": "b:2", "no": "c"}
    assert one.env["HTTPS_PROXY"] == "http://127.0.0.1:998"


@pytest.mark.parametrize(("head", "expected"), [
    (b"CONNECT pypi.example:443 HTTP/1.1\r\nHost: pypi.example:443\r\n\r\n", ("pypi.example", 443, b"")),
    (b"CONNECT [2001:db8::1]:443 HTTP/1.1\r\n\r\n", ("2001:db8::1", 443, b"")),
    (b"GET http://a.example/x?y=1 HTTP/1.1\r\nHost: a.example\r\nProxy-Connection: keep-alive\r\nA: b\r\n\r\n",
     ("a.example", 80, b"GET /x?y=1 HTTP/1.1\r\nHost: a.example\r\nA: b\r\nConnection: close\r\n\r\n")),
    (b"POST http://a.example:81 HTTP/1.1\r\nConnection: x\r\nContent-Length: 3\r\n\r\n",
     ("a.example", 81, b"POST / HTTP/1.1\r\nContent-Length: 3\r\nConnection: close\r\n\r\n")),
])
def test_what_a_client_asks_of_the_proxy(head: bytes, expected: tuple[str, int, bytes]) -> None:
    assert target(head) == expected


@pytest.mark.parametrize("head", [
    b"GET /origin-form HTTP/1.1\r\n\r\n", b"CONNECT nowhere HTTP/1.1\r\n\r\n", b"GET https://a/ HTTP/1.1\r\n\r\n", b"\r\n\r\n",
    b"CONNECT a:b HTTP/1.1\r\n\r\n", b"CONNECT a:99999 HTTP/1.1\r\n\r\n", b"\xff\xfe http://a/ HTTP/1.1\r\n\r\n", b"GET http:// HTTP/1.1\r\n\r\n",
])
def test_what_no_proxy_is_asked(head: bytes) -> None:
    with pytest.raises(ValueError):
        target(head)


@pytest.mark.parametrize(("address", "own"), [
    ("127.0.0.1", True), ("127.8.9.10", True), ("0.0.0.0", True), ("169.254.169.254", True), ("::1", True), ("::", True), ("fe80::1", True),
    ("::ffff:127.0.0.1", True), ("224.0.0.1", True), ("192.0.2.1", False), ("10.0.0.1", False), ("2001:db8::1", False), ("::ffff:192.0.2.1", False),
])
def test_what_is_of_this_machine_alone(address: str, own: bool) -> None:
    assert near(address) is own


def test_which_proxy_stands_behind() -> None:
    upstream = {"http": "http://us%40er:p%3Aw@one:3128", "https": "two:8080", "no": ".inside.example,10.0.0.1"}
    assert beyond(upstream, "a.example", "https") == ("two", 8080, b"")
    found = beyond(upstream, "a.example", "http")
    assert found is not None
    assert found[:2] == ("one", 3128)
    assert base64.b64decode(found[2].split()[2]) == b"us@er:p:w"
    for close in ("x.inside.example", "10.0.0.1"):
        assert beyond(upstream, close, "https") is None
    assert beyond({}, "a.example", "http") is None
    assert beyond({"http": "http://one:1", "no": "*"}, "a.example", "http") is None


def test_netlink_messages_are_laid_out_as_the_kernel_reads_them() -> None:
    assert netlink.attribute(3, b"ab\0") == struct.pack("=HH", 7, 3) + b"ab\0\0"
    assert netlink.number(4, 9) == struct.pack("=HHI", 8, 4, 9)
    assert netlink.link(2, up=True) == struct.pack("=BxHiII", 0, 0, 2, 1, 1)


def test_a_refusal_of_the_kernel_is_an_error() -> None:
    here = Namespace(socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0))
    with here.socket, pytest.raises(OSError, match=r"No such device|Operation not permitted"):
        here.up(2_000_000_000)
