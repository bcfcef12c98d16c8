"""What a container image's program finds in /etc."""

from __future__ import annotations

from sagewright.agent import rootfs, view
from sagewright.stores.compute import Task

ADDRESSES = {"algo-1": "10.0.0.1", "algo-2": "10.0.0.2"}


def test_hosts_on_several_machines_resolve_each_other_in_container_images_too() -> None:
    """They share their nodes' networks, so that no network of the job's own brings their names."""
    task = Task("t", "run", "i", ["train"], hostname="algo-2", addresses=ADDRESSES)
    lines = rootfs._etc(task, None)["hosts"].splitlines()
    assert [f"{address} {name}" for name, address in ADDRESSES.items()] == lines[-2:]
    assert rootfs._etc(task, None)["hosts"] == view.hosts(task)


def test_a_host_alone_resolves_its_own_name() -> None:
    task = Task("t", "run", "i", ["train"], hostname="algo-1")
    assert rootfs._etc(task, None) == {"hosts": "127.0.0.1 localhost algo-1\n::1 localhost ip6-localhost\n", "hostname": "algo-1\n"}
