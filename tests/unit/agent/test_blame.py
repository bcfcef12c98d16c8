"""Whose fault it is that a job's outputs could not be stored."""

import errno
import os

import pytest

from sagewright.agent.run import blamed
from sagewright.stores.objects import NoSuchBucket


@pytest.mark.parametrize(("error", "whose"), [
    (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), "InternalServerError"), (OSError(errno.EIO, "broken"), "InternalServerError"),
    (OSError(errno.ENAMETOOLONG, "a name"), "ClientError"), (NoSuchBucket("b"), "ClientError"), (PermissionError("no"), "ClientError"),
])
def test_a_full_disk_is_not_the_callers_fault(error: Exception, whose: str) -> None:
    assert blamed(error) == whose
