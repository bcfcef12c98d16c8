"""Records on PostgreSQL."""

from .records import PostgresRecords
from .schema import NewerSchema

__all__ = ["NewerSchema", "PostgresRecords"]
