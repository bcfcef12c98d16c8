"""Logs as files."""

from .logs import FileLogs

__all__ = ["FileLogs"]
