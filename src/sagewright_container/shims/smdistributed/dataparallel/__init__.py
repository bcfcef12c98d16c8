"""Forwards to torch.distributed: nccl on GPUs, gloo on CPUs."""
