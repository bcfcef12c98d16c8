"""Has no counterpart that scripts could use unchanged."""

raise ImportError(
    "smdistributed.modelparallel is a proprietary library of AWS, and this image does not have it. Use PyTorch's own "
    "FullyShardedDataParallel or tensor parallelism with distribution={'torch_distributed': {'enabled': True}}."
)
