"""Serves: a compiled model, or the user's inference script."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from neo_image.serving import Compiled

from sagewright_container import handlers

sys.exit(handlers.main(builtin=Compiled))
