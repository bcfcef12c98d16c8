"""What tuning decides, without I/O: spaces, strategies, early stopping, completion."""
