"""Trains: the user's program, in script mode."""

import sys

from sagewright_container import train

sys.exit(train.main())
