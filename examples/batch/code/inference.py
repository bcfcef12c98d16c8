"""Prices houses, a line each: square metres, rooms."""

import numpy


def model_fn(model_dir):
    return numpy.array([3000.0, 5000.0])


def predict_fn(houses, prices):
    return numpy.atleast_2d(houses) @ prices
