"""CloudWatch metrics as boto3 users see them."""

from __future__ import annotations

import datetime as dt
import random
import statistics
import time
import uuid
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagewright.testing.server import TestServer


@pytest.fixture(scope="module")
def cloudwatch(server: TestServer) -> Any:
    return server.client("cloudwatch")


@pytest.fixture
def namespace() -> str:
    return f"Test/{uuid.uuid4().hex}"


T0 = int(time.time()) // 3600 * 3600 - 7200


def put(cloudwatch: Any, namespace: str, *data: dict[str, Any]) -> None:
    cloudwatch.put_metric_data(Namespace=namespace, MetricData=[{"MetricName": "M", "Timestamp": T0, **d} for d in data])


def stats(cloudwatch: Any, namespace: str, **more: Any) -> list[dict[str, Any]]:
    given = {"Period": 60, "Statistics": ["Sum"], "StartTime": T0, "EndTime": T0 + 3600, "MetricName": "M", **more}
    given = {k: v for k, v in given.items() if v is not None}
    return sorted(cloudwatch.get_metric_statistics(Namespace=namespace, **given)["Datapoints"], key=lambda p: p["Timestamp"])


def refused(error: pytest.ExceptionInfo[ClientError]) -> tuple[str, str]:
    return error.value.response["Error"]["Code"], error.value.response["Error"]["Message"]


def test_all_statistics_by_period(cloudwatch: Any, namespace: str) -> None:
    put(cloudwatch, namespace, *({"Timestamp": T0 + s, "Value": v, "Unit": "Percent"} for s, v in ((0, 1.0), (59, 3.0), (60, 10.0))))
    names = ["SampleCount", "Average", "Sum", "Minimum", "Maximum"]
    first, second = stats(cloudwatch, namespace, Statistics=names)
    at = dt.datetime.fromtimestamp(T0, dt.UTC)
    assert first == {"Timestamp": at, "SampleCount": 2, "Average": 2, "Sum": 4, "Minimum": 1, "Maximum": 3, "Unit": "Percent"}
    assert second["Timestamp"] == at + dt.timedelta(minutes=1)
    assert [p["Sum"] for p in stats(cloudwatch, namespace, Period=300)] == [14]
    assert stats(cloudwatch, namespace, Unit="Bytes") == []
    assert stats(cloudwatch, namespace, EndTime=T0 + 60) == [{"Timestamp": at, "Sum": 4, "Unit": "Percent"}]


def test_values_with_counts_and_summaries(cloudwatch: Any, namespace: str) -> None:
    put(cloudwatch, namespace, {"Values": [1.0, 5.0], "Counts": [3.0, 1.0]})
    (point,) = stats(cloudwatch, namespace, Statistics=["SampleCount", "Sum", "Minimum", "Maximum"])
    assert (point["SampleCount"], point["Sum"], point["Minimum"], point["Maximum"]) == (4, 8, 1, 5)
    summary = {"SampleCount": 6.0, "Sum": 12.0, "Minimum": 0.5, "Maximum": 7.0}
    put(cloudwatch, namespace, {"StatisticValues": summary})
    (point,) = stats(cloudwatch, namespace, Statistics=["SampleCount", "Average", "Minimum", "Maximum"])
    assert (point["SampleCount"], point["Average"], point["Minimum"], point["Maximum"]) == (10, 2, 0.5, 7)


def test_percentiles_are_those_of_the_observations(cloudwatch: Any, namespace: str) -> None:
    numbers = [random.Random(7).gauss(50, 20) for _ in range(101)]
    put(cloudwatch, namespace, *({"Timestamp": T0 + i % 50, "Value": v} for i, v in enumerate(numbers)))
    (point,) = stats(cloudwatch, namespace, Statistics=None, ExtendedStatistics=["p0", "p50", "p90", "p99", "p100"])
    exact = statistics.quantiles(numbers, n=100, method="inclusive")
    found = point["ExtendedStatistics"]
    assert found["p50"] == pytest.approx(statistics.median(numbers))
    assert (found["p90"], found["p99"]) == (pytest.approx(exact[89]), pytest.approx(exact[98]))
    assert (found["p0"], found["p100"]) == (min(numbers), max(numbers))


def test_a_large_batch_arrives_compressed(cloudwatch: Any, namespace: str) -> None:
    """Over 10 KB, botocore sends gzip."""
    put(cloudwatch, namespace, *({"Value": float(i), "Dimensions": [{"Name": "N", "Value": "x" * 200}]} for i in range(500)))
    (point,) = stats(cloudwatch, namespace, Dimensions=[{"Name": "N", "Value": "x" * 200}])
    assert point["Sum"] == sum(range(500))


def test_a_sample_without_a_time_is_now(cloudwatch: Any, namespace: str) -> None:
    cloudwatch.put_metric_data(Namespace=namespace, MetricData=[{"MetricName": "M", "Value": 1.0}])
    (point,) = stats(cloudwatch, namespace, StartTime=time.time() - 300, EndTime=time.time() + 60)
    assert abs(point["Timestamp"].timestamp() - time.time()) < 120


@pytest.mark.parametrize(
    ("datum", "code", "words"),
    [
        ({}, "InvalidParameterCombination", "one of them is required"),
        ({"Value": 1.0, "Values": [1.0]}, "InvalidParameterCombination", "exclusive"),
        ({"Values": [1.0, 2.0], "Counts": [1.0]}, "InvalidParameterValue", "same size"),
        ({"Value": 1.0, "Timestamp": +8000.0}, "InvalidParameterValue", "two hours in the future"),
        ({"Value": 1.0, "Timestamp": -15 * 86400.0}, "InvalidParameterValue", "past two weeks"),
        ({"Value": 1e200}, "InvalidParameterValue", "2\\^360"),
        ({"StatisticValues": {"SampleCount": 0.0, "Sum": 0.0, "Minimum": 0.0, "Maximum": 0.0}}, "InvalidParameterValue", "SampleCount"),
    ],
)  # fmt: skip
def test_refused_samples(cloudwatch: Any, namespace: str, datum: dict[str, Any], code: str, words: str) -> None:
    if "Timestamp" in datum:  # seconds from now: the cases are made when the tests are collected, long before
        datum = {**datum, "Timestamp": time.time() + datum["Timestamp"]}
    with pytest.raises(ClientError, match=words) as error:
        put(cloudwatch, namespace, {"Value": 1.0}, datum)
    assert refused(error)[0] == code
    assert cloudwatch.list_metrics(Namespace=namespace)["Metrics"] == []


def test_refused_reads(cloudwatch: Any, namespace: str) -> None:
    with pytest.raises(ClientError, match="AWS/") as error:
        put(cloudwatch, "AWS/SageMaker", {"Value": 1.0})
    assert refused(error)[0] == "InvalidParameterValue"
    with pytest.raises(ClientError, match="exceeds the limit of 1,440") as error:
        stats(cloudwatch, namespace, EndTime=T0 + 1441 * 60)
    assert refused(error)[0] == "InvalidParameterCombination"
    with pytest.raises(ClientError, match="less than the parameter EndTime"):
        stats(cloudwatch, namespace, EndTime=T0)
    with pytest.raises(ClientError, match="Period"):
        stats(cloudwatch, namespace, Period=61)
    with pytest.raises(ClientError, match="tm90 is not implemented"):
        stats(cloudwatch, namespace, Statistics=None, ExtendedStatistics=["tm90"])


def test_listing_finds_by_dimension_and_pages(cloudwatch: Any, namespace: str) -> None:
    data = [{"MetricName": f"M{i:03}", "Value": 1.0, "Dimensions": [{"Name": "Host", "Value": f"h{i % 2}"}]} for i in range(501)]
    for at in range(0, 501, 250):
        put(cloudwatch, namespace, *data[at : at + 250])
    pages = list(cloudwatch.get_paginator("list_metrics").paginate(Namespace=namespace))
    assert [len(p["Metrics"]) for p in pages] == [500, 1]
    names = [m["MetricName"] for p in pages for m in p["Metrics"]]
    assert names == [d["MetricName"] for d in data]
    found = cloudwatch.list_metrics(Namespace=namespace, Dimensions=[{"Name": "Host", "Value": "h1"}])["Metrics"]
    assert len(found) == 250
    assert found[0]["Dimensions"] == [{"Name": "Host", "Value": "h1"}]
    assert cloudwatch.list_metrics(Namespace=namespace, Dimensions=[{"Name": "Hos"}])["Metrics"] == []
    assert len(cloudwatch.list_metrics(Namespace=namespace, MetricName="M007", Dimensions=[{"Name": "Host"}])["Metrics"]) == 1
    with pytest.raises(ClientError):
        cloudwatch.list_metrics(Namespace=namespace, MetricName="M1", NextToken=pages[0]["NextToken"])


def test_recently_active(cloudwatch: Any, namespace: str) -> None:
    put(cloudwatch, namespace, {"MetricName": "Old", "Value": 1.0, "Timestamp": time.time() - 4 * 3600}, {"Value": 1.0, "Timestamp": time.time() - 2 * 3600})
    assert [m["MetricName"] for m in cloudwatch.list_metrics(Namespace=namespace, RecentlyActive="PT3H")["Metrics"]] == ["M"]


def metric(namespace: str, id_: str, name: str = "M", stat: str = "Sum", **more: Any) -> dict[str, Any]:
    return {"Id": id_, "MetricStat": {"Metric": {"Namespace": namespace, "MetricName": name}, "Period": 60, "Stat": stat}, **more}


def data(cloudwatch: Any, *queries: dict[str, Any], **more: Any) -> dict[str, Any]:
    answer: dict[str, Any] = cloudwatch.get_metric_data(MetricDataQueries=list(queries), StartTime=T0, EndTime=T0 + 3600, **more)
    return answer


def test_metric_data_and_math(cloudwatch: Any, namespace: str) -> None:
    put(
        cloudwatch, namespace,
        *({"MetricName": "A", "Timestamp": T0 + 60 * i, "Value": float(i)} for i in range(4)),
        *({"MetricName": "B", "Timestamp": T0 + 60 * i, "Value": 2.0} for i in range(1, 4)),
    )  # fmt: skip
    queries = [metric(namespace, "a", "A"), metric(namespace, "b", "B", ReturnData=False, Label="bees")]
    for expression, values in (
        ("a + b", [3, 4, 5]), ("a / (b - 2)", []), ("b ^ 3 - 1", [7, 7, 7]), ("2 ^ 3 ^ 0 * b", [4, 4, 4]), ("-a * 2", [0, -2, -4, -6]),
        ("SUM(METRICS())", [0, 3, 4, 5]), ("AVG([a, b])", [0, 1.5, 2, 2.5]), ("a - MIN(a)", [0, 1, 2, 3]), ("MAX(METRICS('a'))", [0, 1, 2, 3]),
        ("10 - 2 - a", [8, 7, 6, 5]), ("a * AVG(a)", [0, 1.5, 3, 4.5]), ("ABS(1 - a)", [1, 0, 1, 2]), ("1.5e1 + a*0", [15] * 4),
        ("a > 1", [0, 0, 1, 1]), ("a >= 1 AND a != 2", [0, 1, 0, 1]), ("a == 0 || a > 2", [1, 0, 0, 1]), ("-a + 1 > 0", [1, 0, 0, 0]),
        ("IF(a > 1, b, 7)", [7, 7, 2, 2]), ("IF(a > 1, a)", [2, 3]), ("IF(1 > 0, a, b)", [0, 1, 2, 3]), ("CEIL(a / 2) + FLOOR(a / 2)", [0, 1, 2, 3]),
        ("a / FILL(b, 1)", [0, 0.5, 1, 1.5]), ("FILL(IF(b > 0, a / b), 0)", [0, 0.5, 1, 1.5]),
        ("a + FILL(IF(a == 1 || a == 3, a), REPEAT)", [2, 3, 6]), ("a + FILL(IF(a == 1 || a == 3, a), LINEAR)", [2, 4, 6]),
    ):  # fmt: skip
        answer = data(cloudwatch, *queries, {"Id": "e", "Expression": expression}, ScanBy="TimestampAscending")
        first, result = answer["MetricDataResults"]
        assert (first["Id"], first["Label"], first["Values"]) == ("a", "A", [0, 1, 2, 3])
        if expression.startswith("FILL"):  # every minute of the hour
            assert len(result["Values"]) == 60
            result["Values"] = result["Values"][:4]
        assert (result["Label"], result["Values"], result["StatusCode"]) == ("e", values, "Complete"), expression
    backwards = data(cloudwatch, queries[0])["MetricDataResults"][0]
    assert backwards["Values"] == [3, 2, 1, 0]
    assert backwards["Timestamps"][-1].timestamp() == T0


@pytest.mark.parametrize(
    "expression",
    ["a +", "(a", "nobody + 1", "e * 2", "SUM(a, a)", "ANOMALY_DETECTION_BAND(a)", "SUM(a)", "METRICS()", "a b", "a; b", "((((" * 20 + "a", "'x'", "FILL(a)", "FILL([a, a], 0)", "FILL(a, b)", "IF(a)", "IF([a], a)", "a <"],
)
def test_refused_expressions(cloudwatch: Any, namespace: str, expression: str) -> None:
    with pytest.raises(ClientError) as error:
        data(cloudwatch, metric(namespace, "a"), {"Id": "e", "Expression": expression})
    assert refused(error)[0] == "ValidationError"


def test_metric_data_in_pages(cloudwatch: Any, namespace: str) -> None:
    put(cloudwatch, namespace, *({"MetricName": n, "Timestamp": T0 + 60 * i, "Value": float(i)} for n in "AB" for i in range(5)))
    queries = [metric(namespace, "a", "A"), metric(namespace, "none", "C"), metric(namespace, "b", "B")]
    pages: list[Any] = []
    token: dict[str, str] = {}
    while True:
        answer = data(cloudwatch, *queries, MaxDatapoints=3, **token)
        pages.append([(r["Id"], r["Values"], r["StatusCode"]) for r in answer["MetricDataResults"]])
        if "NextToken" not in answer:
            break
        token = {"NextToken": answer["NextToken"]}
    assert pages == [
        [("a", [4, 3, 2], "PartialData")],
        [("a", [1, 0], "Complete"), ("none", [], "Complete"), ("b", [4], "PartialData")],
        [("b", [3, 2, 1], "PartialData")],
        [("b", [0], "Complete")],
    ]
    with pytest.raises(ClientError) as error:
        data(cloudwatch, queries[0], **token)
    assert refused(error)[0] == "InvalidNextToken"


def test_what_is_not_built_says_so(cloudwatch: Any) -> None:
    with pytest.raises(ClientError, match="not implemented") as error:
        cloudwatch.list_dashboards()
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501
