"""Another opinion: rooms count for nothing, metres for more."""

import json


def model_fn(model_dir):
    return {"metre": 3500, "room": 0}


def input_fn(body, content_type):
    return json.loads(body)


def predict_fn(house, prices):
    return house["metres"] * prices["metre"] + house["rooms"] * prices["room"]


def output_fn(price, accept):
    return json.dumps({"price": price, "by": "dear"}), "application/json"
