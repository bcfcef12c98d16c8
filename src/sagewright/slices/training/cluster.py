"""The hosts of a training job: their names, their instance types, and what each is told of the others.

``hosts`` is the one place that says which hosts a job has. A job of one kind of instance is a cluster of one group.
"""

from __future__ import annotations

from typing import Any

from ...resources.hosts import Host, names
from ...wire.errors import Invalid

HOMOGENEOUS = "homogeneousCluster"
"""The group of a job that names none."""
ENCRYPTION = (
    "NOTE: EnableInterContainerTrafficEncryption is not carried out: what the hosts of this job tell each other is not "
    "encrypted. On one machine it stays inside a network of the job's own, which no other job can read."
)


def check(resources: dict[str, Any]) -> None:
    """Check a ResourceConfig and fill in the default. Raises Invalid."""
    groups = resources.get("InstanceGroups")
    if not groups:
        resources.pop("InstanceGroups", None)
        if "InstanceType" not in resources:
            raise Invalid("ResourceConfig needs InstanceType and InstanceCount, or InstanceGroups.")
        _positive(resources.setdefault("InstanceCount", 1))
        return
    if "InstanceType" in resources or "InstanceCount" in resources:
        raise Invalid("InstanceType and InstanceCount cannot be specified together with InstanceGroups.")
    seen: set[str] = set()
    for group in groups:
        if group["InstanceGroupName"] in seen:
            raise Invalid(f"Duplicate instance group name: {group['InstanceGroupName']}.")
        seen.add(group["InstanceGroupName"])
        _positive(group["InstanceCount"])


def _positive(count: int) -> None:
    if count < 1:
        raise Invalid("InstanceCount must be at least 1.")


def check_channels(doc: dict[str, Any]) -> None:
    """Every instance group that a channel names exists. Raises Invalid."""
    known = {group["InstanceGroupName"] for group in doc["ResourceConfig"].get("InstanceGroups", ())}
    for channel in doc.get("InputDataConfig", ()):
        for name in _wanted(channel):
            if name not in known:
                raise Invalid(f"Channel {channel['ChannelName']}: there is no instance group named {name}.")


def groups(doc: dict[str, Any]) -> list[dict[str, Any]]:
    """The job's instance groups as InstanceGroups has them."""
    resources = doc["ResourceConfig"]
    if given := resources.get("InstanceGroups"):
        return list(given)
    return [{
        "InstanceGroupName": HOMOGENEOUS, "InstanceType": resources["InstanceType"],
        "InstanceCount": resources["InstanceCount"],
    }]


def hosts(doc: dict[str, Any]) -> list[Host]:
    """algo-1 … algo-N, numbered across the groups in their order."""
    kinds = [(g["InstanceType"], g["InstanceGroupName"]) for g in groups(doc) for _ in range(g["InstanceCount"])]
    return [Host(name, *kind) for name, kind in zip(names(len(kinds)), kinds, strict=True)]


def notes(doc: dict[str, Any], hosts: list[Host], host: Host) -> list[str]:
    """What the host's log says of the cluster first; once a job."""
    encrypted = doc.get("EnableInterContainerTrafficEncryption", False)
    return [ENCRYPTION] if encrypted and len(hosts) > 1 and host == hosts[0] else []


def share(channel: dict[str, Any], hosts: list[Host], host: Host) -> tuple[int, int] | None:
    """(which of how many hosts that read the channel ``host`` is); None where its group does not read it."""
    wanted = _wanted(channel)
    readers = [one.name for one in hosts if not wanted or one.group in wanted]
    return (readers.index(host.name), len(readers)) if host.name in readers else None


def _wanted(channel: dict[str, Any]) -> list[str]:
    names: list[str] = channel["DataSource"].get("S3DataSource", {}).get("InstanceGroupNames", [])
    return names
