"""A network of the job's own, made in the sandbox before it gives up its privileges.

The sandbox only makes namespaces and sockets in them; whoever started it is sent the sockets, and joins the hosts of a
job and carries what goes in and out, for a socket stays in its namespace whoever holds it.
"""

from __future__ import annotations

import array
import fcntl
import json
import os
import socket
import struct
from typing import Any, Dict, List

from sagewright_container.kernel import CLONE_NEWNET, check, libc

BACKLOG = 128
UNPRIVILEGED_PORTS = "/proc/sys/net/ipv4/ip_unprivileged_port_start"


def isolate() -> None:
    """Leave the machine's network; all that is left is a loopback of one's own, on which every port is free to take."""
    check(libc.unshare(CLONE_NEWNET), "unshare the network")
    loopback_up()
    try:
        with open(UNPRIVILEGED_PORTS, "w") as file:
            file.write("0")
    except OSError:
        pass  # /proc/sys is read-only in some containers: ports below 1024 stay closed to the job


def loopback_up() -> None:
    """Set IFF_UP on ``lo`` of the current network namespace."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        request = bytearray(struct.pack("16sh22x", b"lo", 0))
        fcntl.ioctl(sock, 0x8913, request)
        flags = struct.unpack_from("h", request, 16)[0]
        fcntl.ioctl(sock, 0x8914, struct.pack("16sh22x", b"lo", flags | 1))


def enter(plan: Dict[str, Any], conn: socket.socket) -> None:
    """Make the namespace of this host and, if asked to, the one between the hosts; send their sockets to the agent.

    ``plan``: {"listen": [[address, port], ...], "addresses": further ones of the loopback, "switch": bool}. The descriptors
    sent: a netlink socket of the host's namespace, one of the switch's if there is one, then the listening sockets.
    """
    sockets: List[socket.socket] = []
    if plan["switch"]:
        check(libc.unshare(CLONE_NEWNET), "unshare the network between the hosts")
        sockets.append(netlink())
    isolate()
    sockets.insert(0, netlink())
    for number, address in enumerate(plan["addresses"]):
        alias(number, address)
    sockets += [listen(address, port) for address, port in plan["listen"]]
    fds = array.array("i", [sock.fileno() for sock in sockets])
    conn.sendmsg([json.dumps({"network": len(fds)}).encode() + b"\n"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
    for sock in sockets:
        sock.close()


def netlink() -> socket.socket:
    return socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)


def alias(number: int, address: str) -> None:
    """Give the loopback one more address, without the network that its class would imply."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for request, value in ((0x8916, address), (0x891C, "255.255.255.255")):  # SIOCSIFADDR, SIOCSIFNETMASK
            packed = struct.pack("16sH2x4s8x", b"lo:%d" % number, socket.AF_INET, socket.inet_aton(value))
            fcntl.ioctl(sock, request, packed)


def listen(address: str, port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((address, port))
    sock.listen(BACKLOG)
    return sock


def wait(conn: socket.socket) -> None:
    """Until the agent says that every host is there; ends this process when it says anything else or is gone.

    Byte by byte: what comes after it is not for us.
    """
    line = b""
    while not line.endswith(b"\n"):
        data = conn.recv(1)
        if not data:
            os._exit(0)
        line += data
    if json.loads(line.decode()) != {"go": True}:
        os._exit(0)
