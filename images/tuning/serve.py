"""Serves: the sampler of one tuning job."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from tuning_image.service import Sampling

from sagewright_container import serve

sys.exit(serve.main(Sampling()))
