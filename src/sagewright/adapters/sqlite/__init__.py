"""Records and metrics in SQLite files."""
