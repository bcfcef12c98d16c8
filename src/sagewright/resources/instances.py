"""Instance types → the cores and memory a job may use here. Unknown ``ml.*`` names get the whole machine."""

from __future__ import annotations

import os
from dataclasses import dataclass

_CORES = {"medium": 2, "large": 2, "xlarge": 4, "metal": 96}
_GIB_PER_CORE = {"c": 2.0, "m": 4.0, "r": 8.0, "x": 16.0, "t": 4.0, "g": 4.0, "p": 8.0, "i": 8.0, "d": 8.0}
_GPUS: dict[str, dict[int, int]] = {
    "g4dn": {12: 4}, "g5": {12: 4, 24: 4, 48: 8}, "g6": {12: 4, 24: 4, 48: 8}, "g6e": {12: 4, 24: 4, 48: 8},
    "g7": {12: 2, 24: 4, 48: 8}, "g7e": {12: 2, 24: 4, 48: 8},
    "p2": {8: 8, 16: 16}, "p3": {8: 4, 16: 8}, "p3dn": {24: 8}, "p4d": {24: 8}, "p4de": {24: 8}, "p5": {48: 8}, "p5e": {48: 8},
    "p5en": {48: 8}, "p6-b200": {48: 8}, "p6-b300": {48: 8}, "p6e-gb200": {36: 4},
}
"""Family → the size of an instance, in times ``xlarge`` → its GPUs, where they are more than one."""
_BURST = {"nano": 0.5, "micro": 1.0, "small": 2.0, "medium": 4.0, "large": 8.0}


@dataclass(frozen=True, slots=True)
class Instance:
    cores: int
    memory: int
    """Bytes."""
    gpus: int = 0


def machine() -> Instance:
    """What this machine has; of its GPUs the compute backend knows."""
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
    gpus = 0 if family not in _GPUS else _GPUS[family].get((cores or 0) // 4, 1)
    return None if cores is None or ratio is None else Instance(cores, int(cores * ratio * 2**30), gpus)


def instance(name: str) -> Instance:
    """Cores and memory of an instance type, never more than this machine's, and its GPUs wherever they are."""
    here, said = machine(), declared(name)
    return here if said is None else Instance(min(said.cores, here.cores), min(said.memory, here.memory), said.gpus)


def shortage(*wanted: tuple[str, int], gpus: int = 0) -> str:
    """What this machine lacks for so many instances of each type at once, in words; empty if it has it.

    A type whose name says nothing of its size counts as nothing. ``gpus``: how many the machine has.
    """
    here = machine()
    known = [(name, count, said) for name, count in wanted if (said := declared(name)) is not None]
    cores, memory, devices = (sum(getattr(said, what) * count for _, count, said in known) for what in ("cores", "memory", "gpus"))
    if cores <= here.cores and memory <= here.memory and devices <= gpus:
        return ""
    named = " and ".join(f"{count} x {name}" for name, count, _ in known)
    return (
        f"{named} {'needs' if len(known) == 1 else 'need'} {_size(cores, memory, devices)}; "
        f"this machine has {_size(here.cores, here.memory, gpus if devices else 0)}"
    )


def _size(cores: int, memory: int, gpus: int) -> str:
    return f"{cores} cores and {memory >> 30} GiB" + (f" and {gpus} GPU{'s' if gpus > 1 else ''}" if gpus else "")
