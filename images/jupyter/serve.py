"""Serves: JupyterLab for one space or one notebook instance."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from jupyter_image import lab, scripts

sys.exit(scripts.run_all() or lab.main())
