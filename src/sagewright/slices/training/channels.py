"""A training job's channels: what a request may say of them, what a host is told of them, and what it finds there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

from ...resources.arn import s3_uri
from ...resources.hosts import Host
from ...resources.jobs import check_s3
from ...stores.compute import Input
from ...wire.errors import Invalid, NotImplementedHere
from . import cluster

DATA = "/opt/ml/input/data"


def mode(doc: dict[str, Any], channel: dict[str, Any]) -> str:
    """File, FastFile or Pipe: the channel's own word comes before the job's."""
    found: str = channel.get("InputMode") or doc["AlgorithmSpecification"]["TrainingInputMode"]
    return found


def check(doc: dict[str, Any], file_systems: str = "") -> None:
    """Check the channels' meaning and fill in AWS's defaults.

    Args:
        file_systems: the setting of that name: ``<id>=<directory>``, separated by commas.

    Raises:
        Invalid, NotImplementedHere
    """
    pipes = {c["ChannelName"] for c in doc.get("InputDataConfig", ()) if mode(doc, c) == "Pipe"}
    seen: set[str] = set()
    for channel in doc.get("InputDataConfig", ()):
        name = channel["ChannelName"]
        if name in seen:
            raise Invalid(f"Duplicate channel name: {name}.")
        seen.add(name)
        if name in (".", ".."):
            raise Invalid(f"Invalid channel name: {name}.")
        if (numbered := re.fullmatch(r"(.+)_\d+", name)) and numbered[1] in pipes:
            raise Invalid(f"Channel name {name} is that of a pipe of the channel {numbered[1]}.")
        channel.setdefault("CompressionType", "None")
        channel.setdefault("RecordWrapperType", "None")
        source = channel["DataSource"]
        if len(source) != 1:
            raise Invalid(f"Channel {name}: specify exactly one data source.")
        if mode(doc, channel) != "Pipe" and {channel["RecordWrapperType"], channel["CompressionType"]} != {"None"}:
            raise Invalid(f"Channel {name}: CompressionType and RecordWrapperType need InputMode Pipe.")
        if "S3DataSource" in source:
            _s3(name, source["S3DataSource"], mode(doc, channel))
        elif "FileSystemDataSource" in source:
            folder = _file_system(name, source["FileSystemDataSource"], mode(doc, channel), declared(file_systems))
            doc.setdefault("_folders", {})[name] = folder
        else:
            raise NotImplementedHere(f"Channel {name}: only S3DataSource and FileSystemDataSource are implemented.")


def _s3(name: str, s3: dict[str, Any], mode: str) -> None:
    check_s3(s3["S3Uri"])
    kind, attributes = s3["S3DataType"], s3.get("AttributeNames", [])
    if kind == "Converse" or "HubAccessConfig" in s3:
        what = "S3DataType Converse" if kind == "Converse" else "HubAccessConfig"
        raise NotImplementedHere(f"Channel {name}: {what} is not implemented.")
    if kind == "AugmentedManifestFile" and mode != "Pipe":
        raise Invalid(f"Channel {name}: S3DataType AugmentedManifestFile can only be used if the channel's InputMode is Pipe.")
    if kind == "AugmentedManifestFile" and not attributes:
        raise Invalid(f"Channel {name}: AttributeNames is required if S3DataType is AugmentedManifestFile.")
    if kind != "AugmentedManifestFile" and attributes:
        raise Invalid(f"Channel {name}: AttributeNames can only be used if S3DataType is AugmentedManifestFile.")
    if mode == "FastFile" and kind != "S3Prefix":
        raise Invalid(f"Channel {name}: InputMode FastFile supports S3DataType S3Prefix only, not {kind}.")
    s3.setdefault("S3DataDistributionType", "FullyReplicated")


def declared(file_systems: str) -> Mapping[str, str]:
    """File system ids and the directories that stand for them. Raises ValueError for a setting that cannot be read."""
    found = {}
    for entry in filter(None, file_systems.split(",")):
        name, sign, folder = entry.strip().partition("=")
        if not sign or not folder.startswith("/"):
            raise ValueError(f"file_systems: expected <id>=<absolute directory>, got {entry!r}")
        found[name] = folder
    return found


def _file_system(name: str, source: dict[str, Any], mode: str, declared: Mapping[str, str]) -> dict[str, Any]:
    """Root, the path below it, and whether it may be written."""
    if mode != "File":
        raise Invalid(f"Channel {name}: FileSystemDataSource can only be used if the channel's InputMode is File.")
    system = source["FileSystemId"]
    if system not in declared:
        raise Invalid(
            f"Channel {name}: the file system {system} is not declared here. Start the server with "
            f"SAGEWRIGHT_FILE_SYSTEMS={system}=<a directory of this machine> to have it stand for that directory."
        )
    parts = [part for part in PurePosixPath(source["DirectoryPath"]).parts if part != "/"]
    if ".." in parts:
        raise Invalid(f"Channel {name}: DirectoryPath must not contain '..'.")
    return {"Root": declared[system], "Below": "/".join(parts), "Writable": source["FileSystemAccessMode"] == "rw"}


def config(doc: dict[str, Any], hosts: list[Host], host: Host) -> dict[str, Any]:
    """What ``inputdataconfig.json`` says of every channel that the host has."""
    channels = {}
    for channel in doc.get("InputDataConfig", ()):
        if cluster.share(channel, hosts, host) is None:
            continue
        s3 = channel["DataSource"].get("S3DataSource", {})
        about = {
            "TrainingInputMode": mode(doc, channel),
            "S3DistributionType": s3.get("S3DataDistributionType", "FullyReplicated"),
            "RecordWrapperType": channel["RecordWrapperType"],
        }
        if "ContentType" in channel:
            about["ContentType"] = channel["ContentType"]
        channels[channel["ChannelName"]] = about
    return channels


def inputs(doc: dict[str, Any], hosts: list[Host], host: Host, versions: Mapping[str, str] | None = None) -> list[Input]:
    """What the host finds: those channels that its instance group reads.

    Args:
        versions: channel → ETag of the manifest whose objects the job's role has been found to be allowed to read.
    """
    found = []
    for channel in doc.get("InputDataConfig", ()):
        share = cluster.share(channel, hosts, host)
        if share is None:
            continue
        name = channel["ChannelName"]
        if folder := doc.get("_folders", {}).get(name):
            found.append(Input(
                path=f"{DATA}/{name}", uri="file://" + quote(folder["Root"]), type="Folder", below=folder["Below"],
                writable=folder["Writable"], label=name,
            ))
        else:
            found.append(_input(doc, channel, share, (versions or {}).get(name, "")))
    return found


def _input(doc: dict[str, Any], channel: dict[str, Any], share: tuple[int, int], version: str) -> Input:
    s3, name = channel["DataSource"]["S3DataSource"], channel["ChannelName"]
    sharded = s3["S3DataDistributionType"] == "ShardedByS3Key"
    return Input(
        path=f"{DATA}/{name}",
        uri=s3_uri(s3["S3Uri"]),
        type=s3["S3DataType"],
        shard=share[0] if sharded else 0,
        shards=share[1] if sharded else 1,
        compression=channel["CompressionType"],
        label=name,
        mode=mode(doc, channel),  # type: ignore[arg-type]
        wrapper=channel["RecordWrapperType"],
        attributes=s3.get("AttributeNames", []),
        seed=channel.get("ShuffleConfig", {}).get("Seed"),
        manifest=s3["S3DataType"] == "ManifestFile",
        version=version,
    )
