"""A model that takes its time: half a second for each request."""

import time


def model_fn(model_dir):
    return None


def input_fn(body, content_type):
    return float(body)


def predict_fn(number, model):
    time.sleep(0.5)
    return number * 2


def output_fn(result, accept):
    return str(result), "text/csv"
