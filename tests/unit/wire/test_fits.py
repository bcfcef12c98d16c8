"""The quick yes of ``fits`` against the check that lists every fault: the two must agree, whatever the document."""

from __future__ import annotations

import math
import random
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import pytest

from sagewright.wire.codecs.json import Documents
from sagewright.wire.fits import Fitting
from sagewright.wire.models import Models, Shape
from sagewright.wire.validation import Fault, Validator

MODELS = Models()
SERVICES = ("sagemaker", "sagemaker-metrics", "s3", "iam", "sts", "logs", "cloudwatch", "ecr", "lambda", "events")
ODD: tuple[Any, ...] = (
    None, True, 0, -1, 1, 10**12, 10**30, 0.5, -1e300, math.nan, math.inf, "", "a", "A-b/c.1", "ml.m5.large", "ml.new.huge",
    "x" * 300, " ", "ä\n", "arn:aws:iam::123456789012:role/r", b"", b"bytes", [], ["a"], [None], {}, {"a": "b"}, {"a": None},
    datetime.now(UTC),
)  # fmt: skip


@lru_cache
def shapes(service: str) -> list[Shape]:
    found = [MODELS.operation(service, name).input for name in MODELS.operations(service)]
    return [shape for shape in found if shape is not None]


def document(shape: Shape, roll: random.Random, depth: int = 0) -> Any:
    """Something in the form of a shape, some of it wrong."""
    if roll.random() < 0.03 or depth > 8:
        return roll.choice(ODD)
    if shape.type == "structure":
        names = list(shape.members)
        if shape.traits.get("union") and names and roll.random() < 0.8:
            names = [roll.choice(names)]
        made = {
            name: document(shape.members[name].shape, roll, depth + 1)
            for name in names if name in shape.required or roll.random() < 0.5
        }
        return made | ({"Unknown": 1} if roll.random() < 0.1 else {})
    if shape.type == "list":
        assert shape.element is not None
        return [document(shape.element.shape, roll, depth + 1) for _ in range(roll.randint(0, 3))]
    if shape.type == "map":
        assert shape.key is not None
        assert shape.value is not None
        keys = [document(shape.key.shape, roll, depth + 1) for _ in range(roll.randint(0, 3))]
        return {key: document(shape.value.shape, roll, depth + 1) for key in keys if isinstance(key, str)}
    if shape.enum and roll.random() < 0.9:
        return roll.choice(shape.enum)
    usual = {"string": ("a", "A-b/c.1", "x" * 40, ""), "integer": (0, 1, 5, -1), "long": (0, 7), "boolean": (True, False),
             "float": (0.5, 1, 0.0), "double": (2.5, 3), "timestamp": (1.7e9, 5), "blob": (b"", b"x")}
    return roll.choice(usual[shape.type]) if shape.type in usual and roll.random() < 0.9 else roll.choice(ODD)


@pytest.mark.parametrize("service", SERVICES)
def test_a_yes_means_that_nothing_is_wrong(service: str) -> None:
    validator, fitting, roll = Validator(), Fitting(), random.Random(7)
    fine = 0
    for shape in shapes(service):
        for _ in range(max(6, 400 // len(shapes(service)))):
            made = document(shape, roll)
            faults: list[Fault] = []
            validator.check(shape)(made, "", faults)
            said = fitting.of(shape)(made)
            assert not (said and faults), (shape, made, faults[:3])
            fine += said
    assert fine


def test_what_clients_send_is_told_at_once() -> None:
    shape = MODELS.operation("sagemaker-metrics", "BatchPutMetrics").input
    assert shape is not None
    datum = {"MetricName": "loss", "Timestamp": 1.7e9, "Step": 3, "Value": 0.25}
    fits = Fitting().of(shape)
    assert fits({"TrialComponentName": "run-1", "MetricData": [datum] * 10})
    for wrong in ({"Value": "high"}, {"Value": True}, {"Value": None}, {"Step": -1}, {"Step": 1.5}, {"MetricName": ""}):
        assert not fits({"TrialComponentName": "run-1", "MetricData": [datum, {**datum, **wrong}]})
    assert not fits({"TrialComponentName": "run-1", "MetricData": [datum] * 11})
    assert not fits({"MetricData": [datum]})


def test_a_shape_within_itself_is_read_written_and_checked() -> None:
    shape = MODELS.operation("sagemaker", "Search").input
    assert shape is not None
    deep: dict[str, Any] = {"Filters": [{"Name": "a", "Value": "b"}]}
    for _ in range(20):
        deep = {"SubExpressions": [deep], "Operator": "And"}
    asked = {"Resource": "TrainingJob", "SearchExpression": deep}
    documents = Documents()
    for _ in range(2):  # the first time writes the functions
        assert documents.read(shape, documents.write(shape, asked)) == asked
        assert Fitting().of(shape)(asked)
    assert Validator().faults(shape, {**asked, "SearchExpression": {"SubExpressions": [{"Operator": "Xor"}]}})[0][1] == (
        "searchExpression.subExpressions.1.member.operator"
    )
