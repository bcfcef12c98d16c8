"""Numerical libraries that were loaded before the job: each thread that predicts says how many threads they may take."""

from __future__ import annotations

import socket
import threading

import pytest

from sagewright_container import threads
from sagewright_container.http import Request, Response
from sagewright_container.serve import Handler, Server


class Library:
    """Keeps a count for each thread, as OpenMP does; every new thread begins with all cores."""

    def __init__(self) -> None:
        self.local = threading.local()
        self.changes = 0

    def get(self) -> int:
        return int(getattr(self.local, "count", 64))

    def change(self, count: int) -> None:
        self.local.count = count
        self.changes += 1


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Library:
    made = Library()
    monkeypatch.setattr(threads, "CONTROLS", [(made.get, made.change)])
    return made


@pytest.mark.parametrize(("said", "count"), [("3", 3), ("2,4", 2), ("", None), ("many", None)])
def test_the_count_is_what_the_job_says_or_its_cores(library: Library, monkeypatch: pytest.MonkeyPatch, said: str, count: int | None) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1, 2, 3, 4})
    monkeypatch.setenv("OMP_NUM_THREADS", said)
    threads.settle()
    assert library.get() == (count or 5)
    threads.settle()
    assert library.changes == 1, "a library that is told what it knows may start its threads at once"


def test_an_interpreter_of_the_jobs_own_counts_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "CONTROLS", [])
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    threads.settle()


def test_a_model_predicts_with_as_many_as_the_job_says(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")

    class Counting(Handler):
        def invoke(self, request: Request) -> Response:
            return Response(str(library.get()).encode())

    ours, theirs = socket.socketpair()
    threading.Thread(target=Server(Counting())._serve, args=(theirs,), daemon=True).start()
    with ours:
        ours.sendall(b"POST /invocations HTTP/1.1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        answer = b"".join(iter(lambda: ours.recv(4096), b""))
    assert answer.endswith(b"\r\n\r\n1")
