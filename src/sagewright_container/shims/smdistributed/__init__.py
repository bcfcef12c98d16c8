"""The names of AWS's proprietary libraries, for scripts that import them: what PyTorch can do itself is forwarded to it."""
