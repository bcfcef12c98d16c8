"""DistributedDataParallel is PyTorch's."""

from torch.nn.parallel import DistributedDataParallel  # type: ignore[import-not-found, unused-ignore]

__all__ = ["DistributedDataParallel"]
