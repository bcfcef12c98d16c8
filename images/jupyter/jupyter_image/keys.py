"""Where a workspace's temporary keys lie, and how fresh ones come in the place of the old."""

import os
import tempfile

CREDENTIALS = "/opt/ml/workspace/credentials.json"
"""What ``credential_process`` of the AWS configuration answers with."""
FORM = ("Version", "AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration")


def write(path, text):
    """Replace a file at once: a reader finds the old one or the new one."""
    handle, draft = tempfile.mkstemp(dir=os.path.dirname(path))
    with os.fdopen(handle, "w") as file:
        file.write(text)
    os.replace(draft, path)
