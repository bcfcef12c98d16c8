"""A scikit-learn training script as SageMaker runs it: channels and model folder by environment variables."""

import argparse
import os

import joblib
import pandas as pd
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.metrics import mean_squared_error

parser = argparse.ArgumentParser()
parser.add_argument("--max-iter", type=int, default=100)
parser.add_argument("--model-dir", default=os.environ.get("SM_MODEL_DIR"))
parser.add_argument("--train", default=os.environ.get("SM_CHANNEL_TRAIN"))
parser.add_argument("--validation", default=os.environ.get("SM_CHANNEL_VALIDATION"))


def read(folder):
    table = pd.concat(pd.read_csv(os.path.join(folder, name), header=None) for name in sorted(os.listdir(folder)))
    return table.iloc[:, 1:].to_numpy(), table.iloc[:, 0].to_numpy()


def model_fn(model_dir):
    return joblib.load(os.path.join(model_dir, "model.joblib"))


if __name__ == "__main__":
    args = parser.parse_args()
    x, y = read(args.train)
    model = HistGradientBoostingRegressor(max_iter=args.max_iter, random_state=1).fit(x, y)
    x, y = read(args.validation)
    print(f"validation-rmse={mean_squared_error(y, model.predict(x), squared=False):.4f};")
    joblib.dump(model, os.path.join(args.model_dir, "model.joblib"))
