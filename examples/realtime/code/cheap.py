"""Prices a house: so much a square metre, and so much a room."""

import json
from pathlib import Path

import numpy


def model_fn(model_dir):
    prices = json.loads((Path(model_dir) / "prices.json").read_text())
    return numpy.array([prices["metre"], prices["room"]])


def predict_fn(houses, prices):
    return numpy.atleast_2d(houses) @ prices
