"""A training job's channels: what a request may say of them, what a host is told of them, and what it stages."""

from __future__ import annotations

from typing import Any

from ...resources.arn import s3_uri
from ...resources.hosts import Host
from ...resources.jobs import check_s3
from ...stores.compute import Input
from ...wire.errors import Invalid, NotImplementedHere
from . import cluster


def check(doc: dict[str, Any]) -> None:
    seen: set[str] = set()
    for channel in doc.get("InputDataConfig", ()):
        name = channel["ChannelName"]
        if name in seen:
            raise Invalid(f"Duplicate channel name: {name}.")
        seen.add(name)
        source = channel["DataSource"]
        if len(source) != 1:
            raise Invalid(f"Channel {name}: specify exactly one data source.")
        if "S3DataSource" not in source:
            raise NotImplementedHere(f"Channel {name}: only S3DataSource is implemented.")
        s3 = source["S3DataSource"]
        check_s3(s3["S3Uri"])
        if s3["S3DataType"] not in ("S3Prefix", "ManifestFile"):
            raise NotImplementedHere(f"Channel {name}: S3DataType {s3['S3DataType']} is not implemented.")
        if channel.get("InputMode") == "Pipe":
            raise NotImplementedHere(f"Channel {name}: InputMode Pipe is not implemented; use File or FastFile.")
        if channel.get("RecordWrapperType", "None") != "None" or channel.get("CompressionType", "None") != "None":
            raise Invalid(f"Channel {name}: CompressionType and RecordWrapperType need InputMode Pipe.")
        s3.setdefault("S3DataDistributionType", "FullyReplicated")
        channel.setdefault("CompressionType", "None")
        channel.setdefault("RecordWrapperType", "None")


def config(doc: dict[str, Any], hosts: list[Host], host: Host) -> dict[str, Any]:
    """What ``inputdataconfig.json`` says of every channel that the host has."""
    channels = {}
    for channel in doc.get("InputDataConfig", ()):
        if cluster.share(channel, hosts, host) is None:
            continue
        about = {
            "TrainingInputMode": channel.get("InputMode", doc["AlgorithmSpecification"]["TrainingInputMode"]),
            "S3DistributionType": channel["DataSource"]["S3DataSource"]["S3DataDistributionType"],
            "RecordWrapperType": channel["RecordWrapperType"],
        }
        if "ContentType" in channel:
            about["ContentType"] = channel["ContentType"]
        channels[channel["ChannelName"]] = about
    return channels


def inputs(doc: dict[str, Any], hosts: list[Host], host: Host) -> list[Input]:
    """What the host stages: those channels that its instance group reads."""
    found = []
    for channel in doc.get("InputDataConfig", ()):
        share = cluster.share(channel, hosts, host)
        if share is None:
            continue
        s3 = channel["DataSource"]["S3DataSource"]
        sharded = s3["S3DataDistributionType"] == "ShardedByS3Key"
        found.append(
            Input(
                path=f"/opt/ml/input/data/{channel['ChannelName']}",
                uri=s3_uri(s3["S3Uri"]),
                type=s3["S3DataType"],
                shard=share[0] if sharded else 0,
                shards=share[1] if sharded else 1,
                label=channel["ChannelName"],
            )
        )
    return found
