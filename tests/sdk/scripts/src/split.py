"""Processing: split the rows into train and test."""

import pathlib

import pandas as pd

base = pathlib.Path("/opt/ml/processing")
frame = pd.concat(pd.read_csv(f, header=None) for f in sorted((base / "input" / "raw").iterdir()))
test = frame.sample(frac=0.2, random_state=1)
for name, part in (("train", frame.drop(test.index)), ("test", test)):
    (base / name).mkdir(exist_ok=True)
    part.to_csv(base / name / "data.csv", header=False, index=False)
print(f"{len(frame)} rows")
