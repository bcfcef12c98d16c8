"""Serves: the user's inference script."""

import sys

from sagewright_container import handlers, serve

found = handlers.find_script()
if found is None:
    sys.exit("no inference script: put inference.py into the model's code folder, or set SAGEMAKER_PROGRAM")
sys.exit(serve.main(handlers.Script(*found)))
