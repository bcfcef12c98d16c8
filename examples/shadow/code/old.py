"""The model in production: it does not look at the rooms."""

import json


def model_fn(folder):
    return None


def predict_fn(house, model):
    return {"price": 3000 * house["metres"]}


def input_fn(body, content_type):
    return json.loads(body)


def output_fn(prediction, accept):
    return json.dumps(prediction), "application/json"
