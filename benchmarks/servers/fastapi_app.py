"""The peer: FastAPI as most tutorials have it, with the scikit-learn interface of XGBoost where the model is one of its."""

import os

import models
from fastapi import FastAPI, Request, Response

app = FastAPI()
if os.environ["MODEL"].endswith(".json"):
    import xgboost as xgb

    model = xgb.XGBClassifier()
    model.load_model(os.environ["MODEL"])

    def predict_rows(rows):
        return model.predict_proba(rows)[:, 1]

else:
    predict_rows = models.load()


@app.get("/ping")
def ping() -> dict[str, str]:
    return {}


@app.post("/predict")
async def predict(request: Request) -> Response:
    return Response(models.text(predict_rows(models.rows(await request.body()))), media_type="text/csv")
