"""How many threads the numerical libraries of this process work with.

They count when they load: the cores, or what OMP_NUM_THREADS says. A job's process that comes of a warm interpreter finds them loaded,
from before its variables were known, so it tells them. OpenMP keeps a count for each thread that tells it: a job's first thread says it,
and so does every thread that a model predicts in.
"""

import ctypes
import os
from typing import Any, List, Tuple

CONTROLS: List[Tuple[Any, Any]] = []
"""(get, set) of the thread counts that libraries loaded before the job keep; empty in an interpreter of the job's own."""


def find() -> None:
    """Learn how to ask and tell the OpenMP and OpenBLAS libraries that are loaded."""
    names = [("omp_get_max_threads", "omp_set_num_threads")]
    for prefix in ("", "scipy_"):
        names += [(prefix + "openblas_get_num_threads" + bits, prefix + "openblas_set_num_threads" + bits) for bits in ("", "64_")]
    with open("/proc/self/maps") as file:
        paths = {line.split(None, 5)[5].strip() for line in file if line.count("/") and ".so" in line}
    for path in sorted(paths):
        if any(mark in os.path.basename(path) for mark in ("gomp", "libomp", "iomp", "openblas")):
            try:
                library = ctypes.CDLL(path, mode=os.RTLD_NOLOAD | os.RTLD_NOW)
            except OSError:
                continue
            CONTROLS.extend((getattr(library, get), getattr(library, change)) for get, change in names if hasattr(library, change))


def settle() -> None:
    """Have the libraries work with as many threads as the job may have, in this thread; nothing where they count themselves."""
    if not CONTROLS:
        return
    said = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    count = (int(said) if said.isdigit() else 0) or len(os.sched_getaffinity(0))
    for get, change in CONTROLS:
        if get() != count:  # OpenBLAS starts its threads at once when told the count it has
            change(count)
