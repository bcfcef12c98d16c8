"""Compute on a Ray cluster. Only ``bridge`` and ``cluster`` import ray, and each is a process of its own."""

from .compute import Cluster, RayCompute
from .split import SplitCompute

__all__ = ["Cluster", "RayCompute", "SplitCompute"]
