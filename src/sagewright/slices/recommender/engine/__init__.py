"""The load test itself: runs in a sandbox of its own, on the standard library of Python 3.9 and later; the server reads its plans."""
