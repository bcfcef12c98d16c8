"""Which hosts a request means, what each is told, and which channels each reads."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sagewright.resources import instances, jobs
from sagewright.slices.training import channels, cluster
from sagewright.wire.errors import Invalid

GROUPS = [
    {"InstanceType": "ml.m5.large", "InstanceCount": 2, "InstanceGroupName": "data"},
    {"InstanceType": "ml.c5.xlarge", "InstanceCount": 1, "InstanceGroupName": "train"},
]


def doc(resources: dict[str, Any], *inputs: dict[str, Any]) -> dict[str, Any]:
    cluster.check(resources)
    return {"ResourceConfig": resources, "InputDataConfig": list(inputs), "AlgorithmSpecification": {"TrainingInputMode": "File"}}


def channel(name: str, distribution: str = "FullyReplicated", groups: list[str] | None = None) -> dict[str, Any]:
    s3: dict[str, Any] = {"S3DataType": "S3Prefix", "S3Uri": f"s3://b/{name}/", "S3DataDistributionType": distribution}
    if groups:
        s3["InstanceGroupNames"] = groups
    return {"ChannelName": name, "DataSource": {"S3DataSource": s3}, "CompressionType": "None", "RecordWrapperType": "None"}


def test_hosts_are_numbered_across_the_groups() -> None:
    hosts = cluster.hosts(doc({"InstanceGroups": GROUPS}))
    assert [(h.name, h.instance_type, h.group) for h in hosts] == [
        ("algo-1", "ml.m5.large", "data"), ("algo-2", "ml.m5.large", "data"), ("algo-3", "ml.c5.xlarge", "train"),
    ]


def test_one_kind_of_instance_is_one_group() -> None:
    hosts = cluster.hosts(doc({"InstanceType": "ml.m5.large", "InstanceCount": 12}))
    assert {h.group for h in hosts} == {"homogeneousCluster"}
    config = json.loads(jobs.resource_config(hosts, hosts[11]))
    assert config["hosts"] == sorted(f"algo-{n}" for n in range(1, 13)), "as text: algo-10 before algo-2"
    assert (config["current_host"], config["current_group_name"], config["network_interface_name"]) == ("algo-12", "homogeneousCluster", "eth0")


def test_what_a_host_of_a_group_is_told() -> None:
    hosts = cluster.hosts(doc({"InstanceGroups": GROUPS}))
    assert json.loads(jobs.resource_config(hosts, hosts[2])) == {
        "current_host": "algo-3", "current_instance_type": "ml.c5.xlarge", "current_group_name": "train",
        "current_instance_group": "train", "hosts": ["algo-1", "algo-2", "algo-3"], "network_interface_name": "eth0",
        "instance_groups": [
            {"instance_group_name": "data", "instance_type": "ml.m5.large", "hosts": ["algo-1", "algo-2"]},
            {"instance_group_name": "train", "instance_type": "ml.c5.xlarge", "hosts": ["algo-3"]},
        ],
    }


def test_one_host_alone_talks_over_the_interface_that_every_machine_has() -> None:
    hosts = cluster.hosts(doc({"InstanceType": "ml.m5.large"}))
    assert json.loads(jobs.resource_config(hosts, hosts[0]))["network_interface_name"] == "lo"


def test_a_channel_reaches_its_groups_alone_and_is_sharded_among_them() -> None:
    request = doc(
        {"InstanceGroups": GROUPS}, channel("all", "ShardedByS3Key"), channel("some", "ShardedByS3Key", ["data"]),
        channel("one", groups=["train"]),
    )
    hosts = cluster.hosts(request)
    shares = [{i.label: (i.shard, i.shards) for i in channels.inputs(request, hosts, host)} for host in hosts]
    assert shares == [
        {"all": (0, 3), "some": (0, 2)}, {"all": (1, 3), "some": (1, 2)}, {"all": (2, 3), "one": (0, 1)},
    ]
    assert [sorted(channels.config(request, hosts, host)) for host in hosts] == [["all", "some"], ["all", "some"], ["all", "one"]]


@pytest.mark.parametrize(("resources", "says"), [
    ({"VolumeSizeInGB": 1}, "needs InstanceType"),
    ({"InstanceType": "ml.m5.large", "InstanceGroups": GROUPS}, "together with InstanceGroups"),
    ({"InstanceCount": 1, "InstanceGroups": GROUPS}, "together with InstanceGroups"),
    ({"InstanceType": "ml.m5.large", "InstanceCount": 0}, "at least 1"),
    ({"InstanceGroups": [{**GROUPS[0], "InstanceCount": 0}]}, "at least 1"),
    ({"InstanceGroups": [GROUPS[0], GROUPS[0]]}, "Duplicate instance group name: data"),
])
def test_requests_that_mean_nothing(resources: dict[str, Any], says: str) -> None:
    with pytest.raises(Invalid, match=says):
        cluster.check(resources)


def test_a_channel_for_a_group_that_does_not_exist() -> None:
    with pytest.raises(Invalid, match="Channel one: there is no instance group named nobody"):
        cluster.check_channels(doc({"InstanceGroups": GROUPS}, channel("one", groups=["data", "nobody"])))
    with pytest.raises(Invalid, match="no instance group named data"):
        cluster.check_channels(doc({"InstanceType": "ml.m5.large"}, channel("one", groups=["data"])))


def test_capacity_is_that_of_all_groups_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(instances, "machine", lambda: instances.Instance(4, 64 * 2**30))
    assert instances.shortage(("ml.m5.large", 2)) == ""
    assert instances.shortage(("ml.m5.large", 1), ("ml.m5.xlarge", 1)) == (
        "1 x ml.m5.large and 1 x ml.m5.xlarge need 6 cores and 24 GiB; this machine has 4 cores and 64 GiB"
    )
    assert instances.shortage(("ml.m5.xlarge", 2)).startswith("2 x ml.m5.xlarge needs 8 cores")
    assert instances.shortage(("local", 99)) == ""
