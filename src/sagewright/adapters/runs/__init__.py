"""Run metrics: a log of points as they come, packed chunks of them later. See ``store`` for how it works."""

from .sqlite import SqliteRuns

__all__ = ["SqliteRuns"]
