"""Object storage: the S3 operations. See README.md for a workflow that runs."""

from __future__ import annotations

from ...resources.platform import Platform
from .buckets import BucketOperations
from .common import Store
from .configuration import Configuration
from .copying import CopyOperations
from .listing import ListingOperations
from .multipart import MultipartOperations
from .objects import ObjectOperations
from .tagging import TagOperations


def install(platform: Platform) -> None:
    """Bind the S3 operations."""
    store = Store(platform)
    configuration = Configuration(store)
    configuration.install()
    BucketOperations(store, configuration).install()
    for operations in (ObjectOperations, ListingOperations, CopyOperations, MultipartOperations, TagOperations):
        operations(store).install()
