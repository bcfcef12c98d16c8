"""A task's reports, written by its agent and read by its server."""

from __future__ import annotations

from pathlib import Path

import pytest

from sagewright.agent import journal
from sagewright.agent.journal import Journal, Reader, read_reports
from sagewright.agent.layout import Layout


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    made = Layout(tmp_path, "t")
    made.folder.mkdir(parents=True)
    return made


def measure(writer: Journal, count: int) -> None:
    for number in range(count):
        writer.report("Metric", Value=number)


def test_each_report_is_read_a_few_times_however_many_there_are(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that read a job's whole journal for every number that it measures would have no time for anybody else."""
    writer, reader, seen, parsed = Journal(layout), Reader(layout.events), 0, 0
    real = journal.json.loads

    def loads(line: bytes) -> object:
        nonlocal parsed
        parsed += 1
        return real(line)

    monkeypatch.setattr(journal.json, "loads", loads)
    for _ in range(100):
        measure(writer, 10)
        found = reader.read(seen)
        assert [report.seq for report in found] == list(range(seen + 1, seen + 11))
        seen = found[-1].seq
    assert parsed <= 5 * 1000


def test_what_has_been_read_can_be_read_again(layout: Layout) -> None:
    measure(Journal(layout), 5)
    reader = Reader(layout.events)
    for after in (0, 3, 5, 4, 0, 2):
        assert [report.seq for report in reader.read(after)] == list(range(after + 1, 6))


def test_a_line_that_a_kill_has_torn_is_passed_over(layout: Layout) -> None:
    measure(Journal(layout), 2)
    reader = Reader(layout.events)
    assert len(reader.read(0)) == 2
    with layout.events.open("ab") as file:
        file.write(b'{"seq": 3, "at"')
    assert reader.read(2) == []
    Journal(layout).report("Failed", Reason="x")
    assert [(report.seq, report.name) for report in reader.read(2)] == [(3, "Failed")]
    assert [(report.seq, report.name) for report in reader.read(1)][-1] == (3, "Failed")
    assert len(read_reports(layout.events)) == 3


def test_a_journal_that_is_not_there_says_nothing(layout: Layout) -> None:
    assert Reader(layout.events).read(0) == []
