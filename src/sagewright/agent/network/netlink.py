"""rtnetlink by hand: the few requests that join network namespaces, in the layout of linux/rtnetlink.h.

A socket works in the namespace it was made in, whoever holds it, so one process can configure several namespaces
without ever entering them. The kernel asks for CAP_NET_ADMIN over the namespace, which an ordinary user has over the user
namespaces that he made.
"""

from __future__ import annotations

import errno
import fcntl
import ipaddress
import os
import socket
import struct

NEWLINK, NEWADDR = 16, 20
REQUEST, ACK, EXCL, CREATE = 0x1, 0x4, 0x200, 0x400
ERROR = 2
IFNAME, MTU, MASTER, LINKINFO, NET_NS_FD = 3, 4, 10, 18, 28
INFO_KIND, INFO_DATA, VETH_INFO_PEER = 1, 2, 1
IFA_ADDRESS, IFA_LOCAL = 1, 2
UP = 0x1
SIOCGSKNS = 0x894C


def attribute(kind: int, value: bytes) -> bytes:
    """One attribute: length, kind, value, padded to four bytes."""
    size = 4 + len(value)
    return struct.pack("=HH", size, kind) + value + b"\0" * (-size % 4)


def text(kind: int, value: str) -> bytes:
    return attribute(kind, value.encode() + b"\0")


def number(kind: int, value: int) -> bytes:
    return attribute(kind, struct.pack("=I", value))


def link(index: int, up: bool = False) -> bytes:
    """``struct ifinfomsg``."""
    return struct.pack("=BxHiII", socket.AF_UNSPEC, 0, index, UP if up else 0, UP if up else 0)


class Namespace:
    """One network namespace by way of a netlink socket that was made in it; holds the namespace until it is closed.

    Every method raises OSError with the kernel's reason.
    """

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self._sequence = 0

    @classmethod
    def of(cls, fd: int) -> Namespace:
        """Takes over a descriptor."""
        return cls(socket.socket(fileno=fd))

    def fileno(self) -> int:
        return self.socket.fileno()

    def close(self) -> None:
        self.socket.close()

    def bridge(self, name: str, index: int, mtu: int) -> None:
        """Make a bridge, up."""
        about = attribute(LINKINFO, text(INFO_KIND, "bridge"))
        self._ask(NEWLINK, link(index, up=True) + text(IFNAME, name) + number(MTU, mtu) + about, CREATE | EXCL)

    def cable(self, name: str, index: int, master: int, other: Namespace, peer: str, peer_index: int, mtu: int) -> None:
        """Make a pair of interfaces: ``name`` here, a port of the bridge ``master``, up; ``peer`` in the other namespace."""
        there = fcntl.ioctl(other.fileno(), SIOCGSKNS)
        try:
            end = link(peer_index) + text(IFNAME, peer) + number(MTU, mtu) + number(NET_NS_FD, there)
            about = attribute(
                LINKINFO, text(INFO_KIND, "veth") + attribute(INFO_DATA, attribute(VETH_INFO_PEER, end))
            )
            mine = link(index, up=True) + text(IFNAME, name) + number(MTU, mtu) + number(MASTER, master)
            self._ask(NEWLINK, mine + about, CREATE | EXCL)
        finally:
            os.close(there)

    def address(self, index: int, address: str, prefix: int) -> None:
        """Give an interface an address of IPv4."""
        packed = ipaddress.IPv4Address(address).packed
        head = struct.pack("=BBBBI", socket.AF_INET, prefix, 0, 0, index)
        self._ask(NEWADDR, head + attribute(IFA_LOCAL, packed) + attribute(IFA_ADDRESS, packed), CREATE | EXCL)

    def up(self, index: int) -> None:
        self._ask(NEWLINK, link(index, up=True), 0)

    def _ask(self, kind: int, body: bytes, flags: int) -> None:
        self._sequence += 1
        head = struct.pack("=IHHII", 16 + len(body), kind, REQUEST | ACK | flags, self._sequence, 0)
        # with an address, the kernel judges the sender alone; without one, also who made the socket
        self.socket.sendto(head + body, (0, 0))
        answer = self.socket.recv(65536)
        _, answered, _, sequence, _ = struct.unpack_from("=IHHII", answer)
        if answered != ERROR or sequence != self._sequence:
            raise OSError(errno.EPROTO, "the kernel answered something else")
        code = -struct.unpack_from("=i", answer, 16)[0]
        if code:
            raise OSError(code, os.strerror(code))
