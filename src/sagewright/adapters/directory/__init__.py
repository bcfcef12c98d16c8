"""The embedded object store: a directory with an index beside it."""

from .store import DirectoryObjects

__all__ = ["DirectoryObjects"]
