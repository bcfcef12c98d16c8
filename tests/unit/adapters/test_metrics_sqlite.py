"""The metrics file: series, samples, several processes, summing up."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sagewright.adapters.sqlite.metrics import SqliteMetrics
from sagewright.stores.metrics import KEEP_MINUTES, KEEP_SAMPLES, Sample, Series

A = Sample("Ns", "Loss", (("Host", "algo-1"), ("Job", "j\"1")), 1000.0, 0.5)


@pytest.fixture
def metrics(tmp_path: Path) -> Iterator[SqliteMetrics]:
    opened = SqliteMetrics(tmp_path / "metrics.sqlite")
    yield opened
    opened.close()


def series_of(sample: Sample) -> Series:
    return Series(sample.namespace, sample.name, sample.dimensions)


def test_samples_come_back_in_time_order(metrics: SqliteMetrics) -> None:
    later = replace(A, timestamp=1060.5, value=3.0, unit="Percent", count=2.0, minimum=1.0, maximum=2.0)
    metrics.put([later, A])
    metrics.put([])
    assert metrics.samples(series_of(A), 0.0, 2000.0) == [A, later]
    assert metrics.samples(series_of(A), 1000.0, 1060.5) == [A]
    assert metrics.samples(Series("Ns", "Loss", ()), 0.0, 2000.0) == []


def test_finding_series(metrics: SqliteMetrics) -> None:
    others = [replace(A, name="Acc"), replace(A, dimensions=()), replace(A, namespace="Other", timestamp=2000.0)]
    metrics.put([A, *others])
    first = series_of(A)
    assert [s.name for s in metrics.series("Ns")] == ["Acc", "Loss", "Loss"]
    assert metrics.series("Ns", "Loss", (("Job", "j\"1"),)) == [first]
    assert metrics.series("Ns", "Loss", (("Job", None), ("Host", "algo-1"))) == [first]
    assert metrics.series("Ns", "Loss", (("Job", "algo-1"),)) == []
    assert metrics.series("Ns", "Loss", (("j\"1", None),)) == []
    assert metrics.series(active_since=1500.0) == [Series("Other", "Loss", A.dimensions)]
    everything = metrics.series()
    assert [metrics.series(limit=1, offset=i)[0] for i in range(4)] == everything


def test_activity_is_that_of_the_last_sample(metrics: SqliteMetrics) -> None:
    metrics.put([A])
    metrics.put([replace(A, timestamp=5000.0)])
    metrics.put([replace(A, timestamp=3000.0)])
    assert metrics.series(active_since=4000.0) == [series_of(A)]
    assert metrics.series(active_since=5001.0) == []


def test_old_samples_become_minutes_and_then_go(metrics: SqliteMetrics) -> None:
    now = 40_000_000.0
    old = now - KEEP_SAMPLES - 3600
    minute = old // 60 * 60
    kept = replace(A, timestamp=now - 10)
    metrics.put([replace(A, timestamp=minute + i, value=float(i)) for i in range(3)])
    metrics.put([replace(A, timestamp=minute + 7, value=20.0, count=4.0, minimum=1.0, maximum=9.0), kept])
    metrics.put([replace(A, name="Gone", timestamp=now - KEEP_MINUTES - 60)])
    for _ in range(2):  # the second finds nothing to do
        metrics.compact(now)
        found = metrics.samples(series_of(A), 0.0, now)
        assert found == [replace(A, timestamp=minute, value=23.0, count=7.0, minimum=0.0, maximum=9.0), kept]
    assert [s.name for s in metrics.series()] == ["Loss"]
    metrics.put([replace(A, name="Gone", timestamp=now)])
    assert len(metrics.samples(Series("Ns", "Gone", A.dimensions), 0.0, now + 1)) == 1


def test_a_series_that_another_process_dropped_is_made_again(metrics: SqliteMetrics, tmp_path: Path) -> None:
    metrics.put([A])
    other = SqliteMetrics(tmp_path / "metrics.sqlite")
    other.compact(A.timestamp + KEEP_MINUTES + 100)
    other.close()
    assert metrics.series() == []
    late = replace(A, timestamp=9e9)
    metrics.put([late])
    assert metrics.samples(series_of(A), 0.0, 1e10) == [late]


WRITER = """
import sys
from pathlib import Path
from sagewright.adapters.sqlite.metrics import SqliteMetrics
from sagewright.stores.metrics import Sample
metrics = SqliteMetrics(Path(sys.argv[1]))
for i in range(100):
    metrics.put([Sample("Ns", "N", (), float(i), 1.0), Sample("Ns", sys.argv[2], (), float(i), 1.0)])
"""


def test_several_processes_and_threads_write_at_once(metrics: SqliteMetrics, tmp_path: Path) -> None:
    command = [sys.executable, "-c", WRITER, str(tmp_path / "metrics.sqlite")]
    writers = [subprocess.Popen([*command, f"P{i}"]) for i in range(3)]

    def put() -> None:
        for i in range(100):
            metrics.put([Sample("Ns", "N", (), float(i), 1.0)])

    threads = [threading.Thread(target=put) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [w.wait() for w in writers] == [0, 0, 0]
    assert len(metrics.samples(Series("Ns", "N", ()), 0.0, 100.0)) == 500
    assert [s.name for s in metrics.series()] == ["N", "P0", "P1", "P2"]


def test_a_failed_batch_leaves_nothing(metrics: SqliteMetrics) -> None:
    with pytest.raises(Exception, match="type"):
        metrics.put([A, replace(A, value=object())])  # type: ignore[arg-type]
    assert metrics.series() == []
    metrics.put([A])
    assert len(metrics.series()) == 1
