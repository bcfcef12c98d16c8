"""Runs in a processing job: 336,776 flights → numbers, the label first, split by date for training and testing.

The label is what a flight gains or loses on its way: minutes late at arrival less minutes late at departure.
"""

import os

import pandas as pd

ROOT = "/opt/ml/processing"
flights = pd.read_csv(f"{ROOT}/input/flights.csv.zip")
landed = flights.dropna(subset=["arr_delay", "dep_delay"]).copy()
date = pd.to_datetime(landed[["year", "month", "day"]])
landed["weekday"] = date.dt.weekday
landed["gained"] = landed["arr_delay"] - landed["dep_delay"]
for column in ("carrier", "origin", "dest"):
    landed[column] = landed[column].astype("category").cat.codes
table = landed[[
    "gained", "dep_delay", "month", "weekday", "hour", "minute", "sched_arr_time", "distance", "carrier", "origin", "dest",
]]

# every tenth day is for testing, the day before it for validation: no day is on both sides
fold = date.dt.dayofyear % 10
parts = {"train": table[~fold.isin([0, 9])], "validation": table[fold == 9], "test": table[fold == 0]}
for name, part in parts.items():
    os.makedirs(f"{ROOT}/{name}", exist_ok=True)
    part.to_csv(f"{ROOT}/{name}/{name}.csv", index=False, header=False)
os.makedirs(f"{ROOT}/batch", exist_ok=True)
parts["test"].iloc[:, 1:].to_csv(f"{ROOT}/batch/flights.csv", index=False, header=False)

sizes = ", ".join(f"{len(part):,} {name}" for name, part in parts.items())
print(f"{len(flights):,} flights, {len(flights) - len(landed):,} cancelled or diverted; rows: {sizes}")
os.makedirs("/opt/ml/output", exist_ok=True)
with open("/opt/ml/output/message", "w") as file:
    file.write(sizes)
