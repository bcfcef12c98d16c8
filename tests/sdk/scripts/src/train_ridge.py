"""Script mode: ridge regression on every csv of the train channel."""

import argparse
import os
import pathlib

import joblib
import pandas as pd
from sklearn.linear_model import Ridge

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--alpha", type=float, default=1.0)
    parser.add_argument("--model-dir", default=os.environ.get("SM_MODEL_DIR"))
    parser.add_argument("--train", default=os.environ.get("SM_CHANNEL_TRAIN"))
    args = parser.parse_args()
    frame = pd.concat(pd.read_csv(f, header=None) for f in sorted(pathlib.Path(args.train).glob("*.csv")))
    model = Ridge(alpha=args.alpha).fit(frame.iloc[:, 1:].to_numpy(), frame.iloc[:, 0].to_numpy())
    joblib.dump(model, os.path.join(args.model_dir, "model.joblib"))
    print("rows", len(frame))


def model_fn(model_dir):
    return joblib.load(os.path.join(model_dir, "model.joblib"))
