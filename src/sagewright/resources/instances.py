"""Instance types → the cores and memory a job may use here. Unknown ``ml.*`` names get the whole machine."""

from __future__ import annotations

import os
from dataclasses import dataclass

_CORES = {"medium": 2, "large": 2, "xlarge": 4, "metal": 96}
_GIB_PER_CORE = {"c": 2.0, "m": 4.0, "r": 8.0, "x": 16.0, "t": 4.0, "g": 4.0, "p": 8.0, "i": 8.0, "d": 8.0}
_BURST = {"nano": 0.5, "micro": 1.0, "small": 2.0, "medium": 4.0, "large": 8.0}


@dataclass(frozen=True, slots=True)
class Instance:
    cores: int
    memory: int
    """Bytes."""


def machine() -> Instance:
    """What this machine has."""
    return Instance(os.cpu_count() or 1, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))


def declared(name: str) -> Instance | None:
    """What AWS gives ``ml.<family>.<size>``; None for a name that says nothing.

    Ratios: https://aws.amazon.com/sagemaker/ai/pricing/ (compute 2, general 4, memory-optimised 8 GiB a vCPU).
    """
    parts = name.split(".")
    if len(parts) != 3 or parts[0] != "ml":
        return None
    family, size = parts[1], parts[2]
    if family.startswith("t") and size in _BURST:
        return Instance(2, int(_BURST[size] * 2**30))
    cores = _CORES.get(size)
    if cores is None and size.endswith("xlarge") and size[:-6].isdigit():
        cores = 4 * int(size[:-6])
    ratio = _GIB_PER_CORE.get(family[:1])
    return None if cores is None or ratio is None else Instance(cores, int(cores * ratio * 2**30))


def instance(name: str) -> Instance:
    """Cores and memory of an instance type, never more than this machine's."""
    here, said = machine(), declared(name)
    return here if said is None else Instance(min(said.cores, here.cores), min(said.memory, here.memory))


def shortage(*wanted: tuple[str, int]) -> str:
    """What this machine lacks for so many instances of each type at once, in words; empty if it has it.

    A type whose name says nothing of its size counts as nothing.
    """
    here = machine()
    known = [(name, count, said) for name, count in wanted if (said := declared(name)) is not None]
    cores, memory = (sum(getattr(said, what) * count for _, count, said in known) for what in ("cores", "memory"))
    if cores <= here.cores and memory <= here.memory:
        return ""
    named = " and ".join(f"{count} x {name}" for name, count, _ in known)
    return (
        f"{named} {'needs' if len(known) == 1 else 'need'} {cores} cores and {memory >> 30} GiB; "
        f"this machine has {here.cores} cores and {here.memory >> 30} GiB"
    )
