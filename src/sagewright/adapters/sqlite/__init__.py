"""Records and Metrics on SQLite."""

from .records import SqliteRecords
from .schema import NewerSchema

__all__ = ["NewerSchema", "SqliteRecords"]
