"""What the model itself takes: ``KIND MODEL BODY...``, run by the image's own interpreter; mean microseconds of its predict.

The built-in XGBoost image predicts by its own way into the library; IMAGE names the image's folder.
"""

import os
import sys
import time

import numpy as np

kind, path, *bodies = sys.argv[1:]
matrices = [np.loadtxt(body, delimiter=",", dtype=np.float32, ndmin=2) for body in bodies]
if kind == "xgboost":
    sys.path.insert(0, os.environ["IMAGE"])
    from xgboost_image import serve

    booster = serve.load_booster(path)

    def predict(rows):
        return serve.predict_dense(booster, rows)

else:
    import models

    os.environ["MODEL"] = path
    predict = models.load()

for rows in matrices:
    predict(rows)
took = []
end = time.perf_counter() + 2
while time.perf_counter() < end:
    for rows in matrices:
        began = time.perf_counter()
        predict(rows)
        took.append(time.perf_counter() - began)
print(sum(took) / len(took) * 1e6)
