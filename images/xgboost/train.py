"""Trains: the built-in algorithm, or the user's program in script mode."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from sagewright_container import train
from sagewright_container.job import Job


def builtin(job: Job) -> None:
    from xgboost_image.train import main

    main(job)


sys.exit(train.main(builtin, "sagemaker_xgboost_container.training:main"))
