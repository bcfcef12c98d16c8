"""What the network of a job's host is to look like: its addresses, names and ways out. Pure."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from ...stores.compute import Task

SUBNET = ipaddress.IPv4Network("10.177.0.0/16")
"""Of every job: no two of them ever meet, and nothing outside is reached by address."""
INTERFACE = "eth0"
PROXY = ("127.0.0.1", 998)
"""Below 1024, where user programs do not listen by accident."""
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Plan:
    """One host's network."""

    address: str
    hosts: str
    """The text of /etc/hosts."""
    api: tuple[str, int] | None = None
    """The API's address outside; None when isolated or unknown."""
    api_inside: tuple[str, int] | None = None
    """Where the job finds it: at the same port of an address that it resolves to."""
    proxy: bool = False
    env: dict[str, str] = field(default_factory=dict)
    """Proxy variables, in place of the task's own: there is no other way out. The proxy goes on by ``upstream``."""
    upstream: dict[str, str] = field(default_factory=dict)
    """What the task's own proxy variables say: ``http`` and ``https`` to a proxy's URL, ``no`` to hosts without one."""

    @property
    def listen(self) -> list[tuple[str, int]]:
        """Where the host's own namespace listens on our behalf: the API first, then the proxy."""
        return [*([self.api_inside] if self.api_inside else []), *([PROXY] if self.proxy else [])]

    def request(self, *, switch: bool) -> dict[str, Any]:
        """What ``sagewright_container.network`` is told; ``switch``: make the namespace between the hosts too."""
        own = {address for address, _ in self.listen if not ipaddress.ip_address(address).is_loopback}
        return {"listen": [list(one) for one in self.listen], "addresses": sorted(own), "switch": switch}


def address(number: int) -> str:
    """Of the host with this number; algo-1 has 1."""
    return str(SUBNET.network_address + number)


def plan(task: Task) -> Plan:
    """The network of a task that has peers."""
    numbers = {name: at for at, name in enumerate(task.peers, 1)}
    lines = [f"{LOOPBACK} localhost", "::1 localhost ip6-localhost", *(f"{address(at)} {name}" for name, at in numbers.items())]
    mine = address(numbers[task.hostname])
    if task.isolated:
        return Plan(mine, _text(lines))
    api, inside, name = _api(task.env.get("AWS_ENDPOINT_URL", ""))
    if name:
        lines.append(f"{LOOPBACK} {name}")
    near = ["localhost", LOOPBACK, "::1", *numbers, *(address(at) for at in numbers.values())]
    if api:
        near.append(api[0])
    way = f"http://{PROXY[0]}:{PROXY[1]}"
    env: dict[str, str] = {}
    upstream: dict[str, str] = {}
    for variable, value in (("HTTP_PROXY", way), ("HTTPS_PROXY", way), ("NO_PROXY", ",".join(dict.fromkeys(near)))):
        env |= {variable: value, variable.lower(): value}  # programs differ in which they prefer
        for spelling in (variable, variable.lower()):
            if task.env.get(spelling):
                upstream[variable.removesuffix("_PROXY").lower()] = task.env[spelling]
    return Plan(mine, _text(lines), api, inside, True, env, upstream)


def _api(url: str) -> tuple[tuple[str, int] | None, tuple[str, int] | None, str]:
    """(outside, inside, name to resolve to loopback inside) of an endpoint."""
    parts = urlsplit(url)
    if not parts.hostname:
        return None, None, ""
    outside = parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)
    try:
        literal = ipaddress.ip_address(parts.hostname)
    except ValueError:
        return outside, (LOOPBACK, outside[1]), "" if parts.hostname == "localhost" else parts.hostname
    if literal.is_unspecified:
        return outside, (LOOPBACK if literal.version == 4 else "::1", outside[1]), ""
    if literal.version == 6 and not literal.is_loopback:
        return None, None, ""  # the proxy carries it
    return outside, outside, ""


def _text(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
