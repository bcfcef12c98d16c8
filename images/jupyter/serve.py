"""Serves: JupyterLab for one space or one notebook instance, or a code editor of this machine for a space."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from jupyter_image import editor, lab, repositories, scripts

sys.exit(repositories.clone_all() or scripts.run_all() or (editor if "SAGEWRIGHT_EDITOR" in os.environ else lab).main())
