"""Ports: what the platform needs from the outside, each a small protocol whose docstring is the contract."""
