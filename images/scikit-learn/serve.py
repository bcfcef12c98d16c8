"""Serves: the user's inference script."""

import sys

from sagewright_container import handlers

sys.exit(handlers.main())
