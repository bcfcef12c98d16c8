"""What cannot be compiled is refused with a reason for the customer; it becomes the job's FailureReason."""

import os
import sys
import traceback
from typing import Callable

FAILURE = "/opt/ml/output/failure"
LONGEST = 1000
"""Characters of a reason; a FailureReason holds 1024 with its prefix."""


class Refusal(Exception):
    """The customer's model or request is at fault; the message says how and what to do."""


def guarded(run: Callable[[], None]) -> int:
    """Run, and return the exit status; a fault is left in the failure file with AWS's prefix."""
    try:
        run()
        return 0
    except Refusal as error:
        reason = "ClientError: %s" % error
    except Exception as error:
        traceback.print_exc()
        reason = "InternalServerError: %s: %s" % (type(error).__name__, error)
    os.makedirs(os.path.dirname(FAILURE), exist_ok=True)
    with open(FAILURE, "w", encoding="utf-8") as file:
        file.write(reason[:LONGEST])
    sys.stderr.write(reason + "\n")
    return 1
