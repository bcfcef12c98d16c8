"""The peer: FastAPI and the scikit-learn interface of XGBoost, as most tutorials have it."""

import os

import numpy as np
import xgboost as xgb
from fastapi import FastAPI, Request, Response

app = FastAPI()
model = xgb.XGBClassifier()
model.load_model(os.environ["MODEL"])


@app.get("/ping")
def ping() -> dict[str, str]:
    return {}


@app.post("/predict")
async def predict(request: Request) -> Response:
    row = np.array([[float(cell) for cell in (await request.body()).split(b",")]], dtype=np.float32)
    return Response(str(float(model.predict_proba(row)[0, 1])), media_type="text/csv")
