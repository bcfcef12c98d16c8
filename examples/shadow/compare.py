"""What a shadow test has shown: the captured pairs of both variants, and their metrics. Of any endpoint with a shadow that captures data."""

import json
from datetime import UTC, datetime, timedelta

import boto3


def pairs(bucket, prefix, endpoint, production, shadow):
    """[(input, the production variant's answer, the shadow's)]: both answers to a request have the same eventId."""
    s3, found = boto3.client("s3"), {production: {}, shadow: {}}
    for variant, lines in found.items():
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{prefix}/{endpoint}/{variant}/"):
            for each in page.get("Contents", []):
                for line in s3.get_object(Bucket=bucket, Key=each["Key"])["Body"].read().splitlines():
                    line = json.loads(line)
                    lines[line["eventMetadata"]["eventId"]] = line["captureData"]
    both = found[production].keys() & found[shadow].keys()
    return [
        (found[production][event]["endpointInput"]["data"], found[production][event]["endpointOutput"]["data"],
         found[shadow][event]["endpointOutput"]["data"])
        for event in both
    ]


def metrics(endpoint, variant):
    """Requests, errors and the mean latency in milliseconds of the last hour."""
    now, cloudwatch = datetime.now(UTC), boto3.client("cloudwatch")

    def read(name, statistic):
        points = cloudwatch.get_metric_statistics(
            Namespace="AWS/SageMaker", MetricName=name, StartTime=now - timedelta(hours=1), EndTime=now + timedelta(minutes=1), Period=3600,
            Statistics=[statistic], Dimensions=[{"Name": "EndpointName", "Value": endpoint}, {"Name": "VariantName", "Value": variant}],
        )["Datapoints"]
        return points[-1][statistic] if points else 0.0

    return {
        "requests": read("Invocations", "Sum"), "errors": read("InvocationModelErrors", "Sum"), "latency": read("ModelLatency", "Average") / 1000,
    }
