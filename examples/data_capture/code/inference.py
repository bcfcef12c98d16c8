"""Prices of houses: metres times 3,000, for CSV and JSON."""

import json


def model_fn(folder):
    return 3000


def input_fn(body, content_type):
    text = body.decode() if isinstance(body, bytes) else body
    if content_type == "text/csv":
        return [float(line.split(",")[0]) for line in text.split()]
    return [house["metres"] for house in json.loads(text)]


def predict_fn(metres, model):
    return [model * one for one in metres]


def output_fn(prices, accept):
    if accept == "text/csv":
        return "\n".join(f"{price:g}" for price in prices), accept
    return json.dumps(prices), "application/json"
