"""Serves: a compiled model, or the user's inference script."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from neo_image.serving import Compiled

from sagewright_container import handlers, serve

found = handlers.find_script()
sys.exit(serve.main(handlers.Script(*found) if found else Compiled()))
