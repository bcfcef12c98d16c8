"""Compute as sandboxed processes of this machine."""

from .compute import ProcessCompute

__all__ = ["ProcessCompute"]
