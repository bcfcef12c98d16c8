"""Parts the flowers into those that a model learns from and those that it is judged by."""

import argparse

import numpy as np
from sklearn.model_selection import train_test_split

parser = argparse.ArgumentParser()
parser.add_argument("--share", type=float, required=True)
share = parser.parse_args().share
flowers = np.loadtxt("/opt/ml/processing/input/iris.csv", delimiter=",")
train, test = train_test_split(flowers, test_size=share, random_state=3, stratify=flowers[:, 0])
np.savetxt("/opt/ml/processing/train/train.csv", train, delimiter=",")
np.savetxt("/opt/ml/processing/test/test.csv", test, delimiter=",")
print(len(train), "flowers to learn from,", len(test), "to judge by")
