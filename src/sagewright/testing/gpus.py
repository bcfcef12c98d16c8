"""A stand-in for NVIDIA's management library, for tests on machines without a GPU."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from ..agent.gpus import LIBRARY

FAKE = """
#include <string.h>
#include <stdio.h>
typedef struct { unsigned long long total, free, used; } memory_t;
typedef struct { unsigned gpu, memory; } rates_t;
static unsigned long number[COUNT + 1];
int nvmlInit_v2(void) { return BROKEN; }
int nvmlDeviceGetCount_v2(unsigned *count) { *count = COUNT; return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **handle) { number[index] = index; *handle = &number[index]; return index >= COUNT ? 2 : 0; }
int nvmlDeviceGetUUID(unsigned long *gpu, char *text, unsigned size) { return snprintf(text, size, "GPU-fake-%lu", *gpu) >= (int) size; }
int nvmlDeviceGetName(unsigned long *gpu, char *text, unsigned size) { return snprintf(text, size, "Fake %lu", *gpu) >= (int) size; }
int nvmlDeviceGetMinorNumber(unsigned long *gpu, unsigned *minor) { *minor = 70 + *gpu; return 0; }
int nvmlDeviceGetMemoryInfo(unsigned long *gpu, memory_t *memory) { memory->total = 1000; memory->used = 250 * (*gpu + 1); memory->free = 0; return 0; }
#if RATES
int nvmlDeviceGetUtilizationRates(unsigned long *gpu, rates_t *rates) { rates->gpu = 30 + *gpu; rates->memory = 1; return 0; }
#endif
"""


def stand_in(folder: Path, count: int = 2, broken: int = 0, rates: int = 1) -> Path:
    """Compile a library with ``count`` GPUs; the folder for LD_LIBRARY_PATH. Skips the test where there is no compiler.

    ``broken``: the error that its start gives. ``rates``: whether it says how busy its GPUs are.
    """
    compiler = shutil.which("cc")
    if compiler is None:
        import pytest

        pytest.skip("no C compiler")
    source = folder / "fake.c"
    source.write_text(FAKE)
    subprocess.run(
        [compiler, "-shared", "-fPIC", f"-DCOUNT={count}", f"-DBROKEN={broken}", f"-DRATES={rates}", "-o",
         str(folder / LIBRARY), str(source)], check=True,
    )
    return folder
