"""Print the log of a job or an endpoint; with -f, until it ends."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from typing import Any

from ..output import Problem, styled
from ..place import Place, client, data_argument

NAME, HELP = "logs", "print the log of a job or an endpoint"
POLL = 0.5
"""Seconds between two looks while following."""
KINDS = {
    "/aws/sagemaker/TrainingJobs": ("describe_training_job", "TrainingJobName", "TrainingJobStatus"),
    "/aws/sagemaker/ProcessingJobs": ("describe_processing_job", "ProcessingJobName", "ProcessingJobStatus"),
    "/aws/sagemaker/TransformJobs": ("describe_transform_job", "TransformJobName", "TransformJobStatus"),
}
ENDPOINTS = "/aws/sagemaker/Endpoints/"
GOING = ("InProgress", "Stopping")


def arguments(parser: argparse.ArgumentParser) -> None:
    data_argument(parser)
    parser.add_argument("-f", "--follow", action="store_true", help="go on until the job ends (Ctrl-C for an endpoint)")
    parser.add_argument("name", metavar="JOB", help="name of a training, processing or transform job, or of an endpoint")


def run(given: argparse.Namespace) -> int:
    place = Place.of(given)
    reader = Reader(client(place, "logs"), client(place, "sagemaker"), given.name)
    if not reader.find():
        raise Problem(f"no job or endpoint called {given.name!r} has written a log or is under way.")
    reader.show()
    while given.follow and reader.going():
        time.sleep(POLL)
        reader.show()
    reader.show()
    return 0


class Reader:
    """The streams of one name, read on from where it stopped."""

    def __init__(self, logs: Any, sagemaker: Any, name: str) -> None:
        self._logs, self._sagemaker, self._name = logs, sagemaker, name
        self._tokens: dict[tuple[str, str], str] = {}
        self._kind = ""

    def find(self) -> bool:
        """Whether there is such a job or endpoint."""
        from botocore.exceptions import ClientError

        for group, (operation, member, _) in KINDS.items():
            try:
                getattr(self._sagemaker, operation)(**{member: self._name})
            except ClientError as error:
                if error.response["ResponseMetadata"]["HTTPStatusCode"] == 403:
                    raise Problem(str(error)) from None
                continue
            self._kind = group
            return True
        self._kind = ENDPOINTS + self._name
        return next(self._streams(), None) is not None

    def going(self) -> bool:
        if self._kind not in KINDS:
            return True
        operation, member, status = KINDS[self._kind]
        return getattr(self._sagemaker, operation)(**{member: self._name})[status] in GOING

    def show(self) -> None:
        """Print what has come since the last time."""
        streams = list(self._streams())
        for group, stream in streams:
            for message in self._new(group, stream):
                host = stream.removeprefix(f"{self._name}/").rpartition("-")[0] or stream
                print(f"{styled(host, 'dim')} {message}" if len(streams) > 1 else message, flush=True)

    def _streams(self) -> Iterator[tuple[str, str]]:
        from botocore.exceptions import ClientError

        prefix = {"logStreamNamePrefix": f"{self._name}/"} if self._kind in KINDS else {}
        try:
            for page in self._logs.get_paginator("describe_log_streams").paginate(logGroupName=self._kind, **prefix):
                for stream in page["logStreams"]:
                    yield self._kind, stream["logStreamName"]
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceNotFoundException":
                raise

    def _new(self, group: str, stream: str) -> Iterator[str]:
        while True:
            token = self._tokens.get((group, stream))
            more = {"nextToken": token} if token else {}
            page = self._logs.get_log_events(logGroupName=group, logStreamName=stream, startFromHead=True, **more)
            for event in page["events"]:
                yield event["message"]
            self._tokens[group, stream] = page["nextForwardToken"]
            if page["nextForwardToken"] == token or not page["events"]:
                return
