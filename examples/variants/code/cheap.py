"""Prices a house: so much a square metre, and so much a room."""

import json


def model_fn(model_dir):
    return {"metre": 3000, "room": 5000}


def input_fn(body, content_type):
    return json.loads(body)


def predict_fn(house, prices):
    return house["metres"] * prices["metre"] + house["rooms"] * prices["room"]


def output_fn(price, accept):
    return json.dumps({"price": price, "by": "cheap"}), "application/json"
