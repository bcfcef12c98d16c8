"""A random forest on the flowers of the channel."""

import argparse
import os

import joblib
import numpy as np
from sklearn.ensemble import RandomForestClassifier

parser = argparse.ArgumentParser()
parser.add_argument("--trees", type=int, required=True)
trees = parser.parse_args().trees
flowers = np.loadtxt(os.path.join(os.environ["SM_CHANNEL_TRAIN"], "train.csv"), delimiter=",")
model = RandomForestClassifier(trees, max_depth=4, random_state=3).fit(flowers[:, 1:], flowers[:, 0].astype(int))
joblib.dump(model, os.path.join(os.environ["SM_MODEL_DIR"], "model.joblib"))
