"""The library's first interface: torch.distributed with a backend already chosen."""

from typing import Any

import torch  # type: ignore[import-not-found, unused-ignore]
import torch.distributed as dist  # type: ignore[import-not-found, unused-ignore]
from torch.distributed import *  # type: ignore[import-not-found, unused-ignore]  # noqa: F403


def init_process_group(*arguments: Any, **more: Any) -> None:
    """As torch's, with nccl or gloo unless another backend is named."""
    if not arguments and more.get("backend", "smddp") == "smddp":
        more["backend"] = "nccl" if torch.cuda.is_available() else "gloo"
    dist.init_process_group(*arguments, **more)


def get_local_rank() -> int:
    import os

    return int(os.environ["LOCAL_RANK"])
