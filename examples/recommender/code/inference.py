"""Prices a house by so much work that the number of processes matters."""

import json


def model_fn(model_dir):
    return [(number % 97) / 97 for number in range(20_000)]


def input_fn(body, content_type):
    return json.loads(body)


def predict_fn(house, weights):
    return {"price": sum(weight * house["metres"] for weight in weights)}


def output_fn(answer, accept):
    return json.dumps(answer), "application/json"
