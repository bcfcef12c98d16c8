"""Importing this makes the backend ``smddp`` known to torch.distributed, as the library's own module does."""

from typing import Any

import torch  # type: ignore[import-not-found, unused-ignore]
import torch.distributed as dist  # type: ignore[import-not-found, unused-ignore]


def _create(store: Any, rank: int, size: int, timeout: Any) -> Any:
    kind = dist.ProcessGroupNCCL if torch.cuda.is_available() else dist.ProcessGroupGloo
    return kind(store, rank, size, timeout=timeout)


if not hasattr(dist.Backend, "SMDDP"):
    dist.Backend.register_backend("smddp", _create, devices=["cuda" if torch.cuda.is_available() else "cpu"])
