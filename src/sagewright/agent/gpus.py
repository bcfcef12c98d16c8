"""GPUs of this machine: what NVIDIA's management library (NVML) tells of them, and which of them a task gets.

The library comes with the driver; where there is none there are no GPUs. Functions and structures are those of nvml.h.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LIBRARY = "libnvidia-ml.so.1"
NAME_SIZE = 96
DRIVER_LIBRARIES = ("libcuda.so", "libnvidia-ml.so", "libnvidia-ptxjitcompiler.so", "libnvidia-nvvm.so")
"""Parts of the driver that programs load; an image with a root of its own cannot bring them, for they fit the kernel's."""
DRIVER_FOLDER = "/usr/local/nvidia/lib64"
"""Where NVIDIA's images look for them."""


@dataclass(frozen=True, slots=True)
class Gpu:
    index: int
    uuid: str
    name: str
    memory: int
    """Bytes."""
    minor: int
    """Of the device node /dev/nvidia<minor>."""


class _Memory(ctypes.Structure):
    _fields_ = [("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong)]


class _Utilization(ctypes.Structure):
    _fields_ = [("gpu", ctypes.c_uint), ("memory", ctypes.c_uint)]


class Nvml:
    """An open NVML. Every method raises OSError: there is no driver, or it does not say."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(LIBRARY)
        self._call("nvmlInit_v2")

    def _call(self, name: str, *arguments: Any) -> None:
        function = getattr(self._library, name, None)
        if function is None:
            raise OSError(f"the driver has no {name}")
        code = function(*arguments)
        if code:
            raise OSError(f"{name}: NVML error {code}")

    def _handle(self, index: int) -> ctypes.c_void_p:
        handle = ctypes.c_void_p()
        self._call("nvmlDeviceGetHandleByIndex_v2", ctypes.c_uint(index), ctypes.byref(handle))
        return handle

    def _text(self, name: str, handle: ctypes.c_void_p) -> str:
        buffer = ctypes.create_string_buffer(NAME_SIZE)
        self._call(name, handle, buffer, ctypes.c_uint(NAME_SIZE))
        return buffer.value.decode("utf-8", "replace")

    def _memory(self, handle: ctypes.c_void_p) -> _Memory:
        memory = _Memory()
        self._call("nvmlDeviceGetMemoryInfo", handle, ctypes.byref(memory))
        return memory

    def gpus(self) -> list[Gpu]:
        count = ctypes.c_uint()
        self._call("nvmlDeviceGetCount_v2", ctypes.byref(count))
        found = []
        for index in range(count.value):
            handle, minor = self._handle(index), ctypes.c_uint()
            self._call("nvmlDeviceGetMinorNumber", handle, ctypes.byref(minor))
            found.append(Gpu(
                index, self._text("nvmlDeviceGetUUID", handle), self._text("nvmlDeviceGetName", handle),
                self._memory(handle).total, minor.value,
            ))
        return found

    def busy(self, index: int) -> float:
        """Percent of the last moment in which the GPU computed."""
        rates = _Utilization()
        self._call("nvmlDeviceGetUtilizationRates", self._handle(index), ctypes.byref(rates))
        return float(rates.gpu)

    def full(self, index: int) -> float:
        """Percent of the GPU's memory in use."""
        memory = self._memory(self._handle(index))
        return 100.0 * float(memory.used) / float(memory.total)


def discover() -> list[Gpu]:
    """The machine's GPUs; none where there is no driver."""
    try:
        return Nvml().gpus()
    except OSError:
        return []


@dataclass(slots=True)
class Allotment:
    """The GPUs that a task may use, as long as this process lives or until it gives them back."""

    wanted: int
    gpus: list[Gpu] = field(default_factory=list)
    present: int = 0
    """GPUs of the machine."""
    shared: list[int] = field(default_factory=list)
    """Indexes of those that other tasks use as well."""
    locks: list[int] = field(default_factory=list)
    _nvml: Nvml | None = None

    def release(self) -> None:
        """Nothing of the task uses them any more."""
        for lock in self.locks:
            fcntl.flock(lock, fcntl.LOCK_UN)
            os.close(lock)
        self.locks.clear()

    @property
    def notes(self) -> list[str]:
        """What the user should know, for the log."""
        said: list[str] = []
        if not self.wanted:
            return said
        has = f"This instance type has {self.wanted} GPU{'s' if self.wanted > 1 else ''}"
        if not self.gpus:
            said.append(f"WARNING: {has}; this machine has none. The job runs on its processors.")
        elif len(self.gpus) < self.wanted:
            said.append(f"WARNING: {has}; this machine has {self.present}. The job runs with {len(self.gpus)}.")
        if self.shared:
            said.append(f"WARNING: other jobs use GPU {', '.join(map(str, self.shared))} at the same time.")
        return said

    def show(self, spec: dict[str, Any], given: Mapping[str, str], *, image_root: bool = False) -> None:
        """Add the GPUs to a sandbox's request.

        Args:
            given: variables of the task, which stay as they are.
            image_root: the image has a root of its own, without the driver.
        """
        if not self.wanted:
            return
        spec["devices"] = devices(self.gpus)
        numbers = ",".join(str(number) for number in range(len(self.gpus)))
        env = {"NVIDIA_VISIBLE_DEVICES": ",".join(gpu.uuid for gpu in self.gpus) or "void", "CUDA_VISIBLE_DEVICES": numbers}
        spec["env"] = {**spec["env"], **env, **given}  # an image's own "all" would promise more than there is
        if image_root and self.gpus:
            for path in driver():
                name = f"{DRIVER_FOLDER}/{path.name}"
                spec["binds"].append({"source": str(path.resolve()), "target": name, "writable": False, "owned": False})
            paths = [*spec["env"].get("LD_LIBRARY_PATH", "").split(":"), DRIVER_FOLDER]
            spec["env"]["LD_LIBRARY_PATH"] = ":".join(dict.fromkeys(filter(None, paths)))

    def usage(self) -> dict[str, float]:
        """Sums over the GPUs, in percent of one, as SageMaker's metrics count them."""
        if not self.gpus:
            return {}
        values: dict[str, float] = {}
        try:
            nvml = self._nvml = self._nvml or Nvml()
            for name, ask in (("GPUUtilization", nvml.busy), ("GPUMemoryUtilization", nvml.full)):
                values[name] = sum(ask(gpu.index) for gpu in self.gpus)
        except OSError:
            pass  # partitioned GPUs do not tell how busy they are
        return values


def take(wanted: int, folder: Path | None = None) -> Allotment:
    """Up to ``wanted`` GPUs: those that nobody uses first, then, in turn, those of others."""
    found = discover() if wanted else []
    allotment = Allotment(wanted, present=len(found))
    busy = []
    place = folder or lock_folder() if found else None
    for gpu in found:
        if len(allotment.gpus) == wanted:
            break
        assert place is not None
        lock = os.open(place / gpu.uuid.replace("/", "_"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            busy.append(gpu)
            continue
        allotment.locks.append(lock)
        allotment.gpus.append(gpu)
    start = os.getpid() % len(busy) if busy else 0
    for gpu in (busy[start:] + busy[:start])[: wanted - len(allotment.gpus)]:
        allotment.gpus.append(gpu)
        allotment.shared.append(gpu.index)
    allotment.gpus.sort(key=lambda gpu: gpu.index)
    return allotment


def lock_folder() -> Path:
    """Where the machine's servers of one user note which GPUs are in use."""
    mine = os.getuid()
    folder = Path("/run/sagewright/gpus") if mine == 0 else Path(tempfile.gettempdir()) / f"sagewright-{mine}-gpus"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.lstat().st_uid != mine:
        raise PermissionError(f"{folder} belongs to someone else")
    return folder


def devices(gpus: Iterable[Gpu]) -> list[str]:
    """Names under /dev that a task with these GPUs needs; none without any."""
    own = [f"nvidia{gpu.minor}" for gpu in gpus]
    return [*own, "nvidiactl", "nvidia-uvm", "nvidia-uvm-tools", "nvidia-modeset"] if own else []


def driver() -> list[Path]:
    """The driver's libraries on this machine, by the names that programs ask for."""
    try:
        cache = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True, check=False).stdout
    except OSError:
        return []
    found: dict[str, Path] = {}
    for line in cache.splitlines():
        name, _, path = line.strip().partition(" => ")
        if path and ("x86-64" in name or "AArch64" in name):
            soname = name.split(" ")[0]
            if any(soname.startswith(prefix) for prefix in DRIVER_LIBRARIES):
                found.setdefault(soname, Path(path))
    return list(found.values())
