"""The ports by which the hosts of a job reach each other."""

import os
from typing import Mapping

RENDEZVOUS = 7777
"""Where the first host waits for the others, as scripts for Amazon SageMaker know it."""
REMOTE = 7779
WORKER = 8890
LEADER, SERVER = 2222, 2223
USUAL = (RENDEZVOUS, REMOTE, WORKER, LEADER, SERVER)


def port(usual: int, environ: Mapping[str, str] = os.environ) -> int:
    """``usual`` where the job has a network of its own; the job's own in its place where it shares those of its machines.

    SAGEWRIGHT_CLUSTER_PORTS is the first of its ports there.
    """
    first = environ.get("SAGEWRIGHT_CLUSTER_PORTS")
    return int(first) + USUAL.index(usual) if first else usual
