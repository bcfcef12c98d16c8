"""The way from a request to a model: an HTTP client over Unix sockets, routes, a model's container, measurements.

Used by hosting and batch transform; knows no slice.
"""
