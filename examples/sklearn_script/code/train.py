"""A random forest on Fisher's irises, with a package that the image does not have."""

import argparse
import os

import joblib
import numpy as np
import tabulate
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import accuracy_score
from sklearn.model_selection import train_test_split

parser = argparse.ArgumentParser()
parser.add_argument("--n-estimators", type=int, default=100)
parser.add_argument("--max-depth", type=int)
args = parser.parse_args()

data = np.loadtxt(os.path.join(os.environ["SM_CHANNEL_TRAIN"], "iris.csv"), delimiter=",")
x, x_test, y, y_test = train_test_split(data[:, 1:], data[:, 0].astype(int), test_size=0.3, random_state=3, stratify=data[:, 0])
model = RandomForestClassifier(args.n_estimators, max_depth=args.max_depth, random_state=3).fit(x, y)
accuracy = accuracy_score(y_test, model.predict(x_test))
print(tabulate.tabulate([["accuracy", accuracy], ["trees", args.n_estimators]]))
print(f"validation_accuracy={accuracy:.4f}")
joblib.dump(model, os.path.join(os.environ["SM_MODEL_DIR"], "model.joblib"))
