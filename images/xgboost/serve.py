"""Serves: the built-in algorithm's model, or the user's inference script."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from xgboost_image.serve import DEFAULTS, Builtin

from sagewright_container import handlers

sys.exit(handlers.main(DEFAULTS, Builtin))
