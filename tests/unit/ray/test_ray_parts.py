"""The parts of the Ray backend that need no Ray."""

from __future__ import annotations

import asyncio
import json
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagewright.adapters.files import FileLogs
from sagewright.adapters.ray import frames, hosts, spool
from sagewright.adapters.ray.gang import Size, fit, gang, wanted
from sagewright.adapters.ray.ledger import Ledger
from sagewright.adapters.ray.node import bury
from sagewright.adapters.ray.policy import policy
from sagewright.adapters.ray.split import stays
from sagewright.adapters.sqlite.metrics import SqliteMetrics
from sagewright.agent.layout import Layout
from sagewright.stores.compute import Input, Limits, Output, Task
from sagewright.stores.logs import LogEvent
from sagewright.stores.metrics import Sample, Series

GIB = 2**30


def task(**more: object) -> Task:
    return Task(**{"id": "t", "kind": "run", "image": "i", "argv": ["true"], "log_group": "/g", "log_stream": "s", **more})  # type: ignore[arg-type]


# -- gangs


def test_what_fits_is_reserved_as_declared() -> None:
    nodes = [Size(4, 16 * GIB)] * 3
    assert fit([Size(4, 16 * GIB)] * 3, nodes, shrink=True) == [Size(4, 16 * GIB)] * 3
    assert fit([Size(2, GIB)] * 6, nodes, shrink=False) == [Size(2, GIB)] * 6


def test_a_host_larger_than_every_node_gets_the_largest() -> None:
    nodes = [Size(2, 4 * GIB), Size(8, 16 * GIB)]
    assert fit([Size(64, 256 * GIB)], nodes, shrink=True) == [Size(8, 16 * GIB)]
    assert fit([Size(64, 256 * GIB)], nodes, shrink=False) is None


def test_more_hosts_than_the_cluster_holds_shrink_alike() -> None:
    sizes = fit([Size(2, 2 * GIB)] * 4, [Size(2, 2 * GIB)] * 2, shrink=True)
    assert sizes is not None
    assert len(set(sizes)) == 1
    assert 0.5 < sizes[0].cpus <= 1.0
    assert fit([Size(2, 2 * GIB)] * 4, [Size(2, 2 * GIB)] * 2, shrink=False) is None


def test_gpus_are_taken_where_there_are_some_and_done_without_where_there_are_none() -> None:
    nodes = [Size(32, 64 * GIB), Size(8, 16 * GIB, 1)]
    assert fit([Size(8, 16 * GIB, 1)], nodes, shrink=True) == [Size(8, 16 * GIB, 1)]
    assert fit([Size(8, 16 * GIB, 1)], nodes[:1], shrink=True) == [Size(8, 16 * GIB, 0)]
    assert fit([Size(8, 16 * GIB, 1)], nodes[:1], shrink=False) is None


def test_a_cluster_without_processors_holds_nothing() -> None:
    assert fit([Size(1, 1)], [], shrink=True) is None
    assert fit([Size(1, 1)], [Size(0, 64 * GIB)], shrink=True) is None


sizes = st.builds(Size, st.integers(1, 64).map(float), st.integers(1, 256).map(lambda n: n * GIB), st.integers(0, 2))


@given(st.lists(sizes, min_size=1, max_size=6), st.lists(sizes, min_size=1, max_size=5))
def test_what_is_reserved_is_never_more_than_asked_nor_than_there_is(wants: list[Size], nodes: list[Size]) -> None:
    found = fit(wants, nodes, shrink=True)
    if found is None:
        return
    for want, got in zip(wants, found, strict=True):
        assert 0 < got.cpus <= want.cpus
        assert got.memory <= want.memory
        assert got.gpus <= want.gpus
    for what in ("cpus", "memory", "gpus"):
        assert sum(getattr(s, what) for s in found) <= sum(getattr(n, what) for n in nodes) + 1e-6


def test_the_instance_type_says_what_is_wanted_else_the_limits() -> None:
    config = {"/opt/ml/input/config/resourceconfig.json": json.dumps({"current_instance_type": "ml.x"})}
    limits = Limits(cpus=3, memory=5)
    assert wanted(task(files=config), lambda name: Size(9, 9) if name == "ml.x" else None) == Size(9, 9)
    assert wanted(task(limits=limits), lambda name: None) == Size(3, 5)
    assert (gang(task()), gang(task(meeting="first"))) == ("t", "first")


# -- hosts


def test_hosts_on_several_machines_share_their_networks() -> None:
    config = {"/opt/ml/input/config/resourceconfig.json": json.dumps({"network_interface_name": "eth0", "hosts": ["algo-1"]})}
    one = task(peers=["algo-1", "algo-2"], meeting="m", files=config)
    there = {"cpus": 2.0, "memory": 7, "gpus": 0, "address": "127.0.0.1", "addresses": {"algo-1": "127.0.0.1", "algo-2": "10.0.0.9"}}
    placed = hosts.placed(one, there)
    assert (placed.peers, placed.meeting, placed.addresses) == ([], "", there["addresses"])
    assert (placed.limits.cpus, placed.limits.memory) == (2.0, 7)
    own, other = (int(hosts.placed(task(peers=["algo-1", "algo-2"], meeting=job), there).env["SAGEWRIGHT_CLUSTER_PORTS"]) for job in ("m", "n"))
    assert abs(own - other) >= 10, "two jobs on these machines do not meet each other's hosts"
    assert json.loads(placed.files["/opt/ml/input/config/resourceconfig.json"]) == {"network_interface_name": "lo", "hosts": ["algo-1"]}
    same = hosts.placed(one, {"cpus": 2.0, "memory": 7, "gpus": 0, "address": "127.0.0.1", "meeting": "/m"})
    assert (same.peers, same.meeting, same.env) == (["algo-1", "algo-2"], "/m", {})


def test_a_lost_node_leaves_neither_folders_nor_control_groups(tmp_path: Path) -> None:
    folder, group = tmp_path / "node", tmp_path / "sagewright-t"
    (folder / "jobs/t").mkdir(parents=True)
    group.mkdir()
    (folder / "jobs/t/cgroups").write_text(str(group))
    owner = {"pid": 2**22 + 1, "started": 1, "machine": "m", "host": socket.gethostname()}
    (folder / "raylet.json").write_text(json.dumps(owner))
    bury(folder)
    assert list(tmp_path.iterdir()) == []


# -- policy


def test_a_task_may_read_its_inputs_and_write_its_outputs() -> None:
    made = json.loads(policy(task(inputs=[Input("/opt/ml/input/data/a", "s3://in/a*b/")], outputs=[Output("/opt/ml/model", "s3://out/m")])))
    read, write, buckets = made["Statement"]
    assert read["Resource"] == ["arn:aws:s3:::in/a${*}b/*"]
    assert "s3:PutObject" not in read["Action"]
    assert write["Resource"] == ["arn:aws:s3:::out/m*"]
    assert buckets["Resource"] == ["arn:aws:s3:::in", "arn:aws:s3:::out"]


def test_a_task_may_read_the_inputs_of_its_containers_and_the_models_below_its_prefix() -> None:
    containers = [task(inputs=[Input("/opt/ml/model", f"s3://{name}/model.tar.gz")]) for name in ("one", "two")]
    read, buckets = json.loads(policy(task(containers=containers)))["Statement"]
    assert read["Resource"] == ["arn:aws:s3:::one/model.tar.gz*", "arn:aws:s3:::two/model.tar.gz*"]
    assert buckets["Resource"] == ["arn:aws:s3:::one", "arn:aws:s3:::two"]
    models = json.loads(policy(task(models={"bucket": "b", "prefix": "shops/"})))["Statement"]
    assert [one["Resource"] for one in models] == [["arn:aws:s3:::b/shops/*"], ["arn:aws:s3:::b"]]


# -- what goes where


def test_only_what_belongs_to_the_server_stays_beside_it() -> None:
    serve = {"kind": "serve", "id": "t"}
    for one in ({"on_demand": True}, {"models": {"bucket": "b", "prefix": ""}}, {"containers": [task(**serve)]}, {}):
        assert not stays(task(**{**serve, **one}))
    folder = [Input("/opt/ml/input/data/a", "file:///data", "Folder")]
    for one in ({"beside": True}, {"volumes": {"/opt/ml/x": "v"}}, {"containers": [task(**serve, inputs=folder)]}):
        assert stays(task(**{**serve, **one}))
    assert stays(task(inputs=folder))


def test_less_room_means_fewer_models_and_every_container_is_told_of_it() -> None:
    there = {"cpus": 1.0, "memory": 10 * GIB, "gpus": 0, "address": "127.0.0.1"}
    large, small = ({"bucket": "b", "prefix": "", "memory": memory * GIB} for memory in (64, 1))
    assert hosts.placed(task(models=large), there).models["memory"] == 8 * GIB
    assert hosts.placed(task(models=small), there).models["memory"] == 1 * GIB
    placed = hosts.placed(task(containers=[task(models=large), task()]), there)
    assert [one.limits.cpus for one in placed.containers] == [1.0, 1.0]
    assert placed.containers[0].models["memory"] == 8 * GIB


# -- the ledger


class Place:
    def __init__(self, folder: Path) -> None:
        self.folder = folder / "ledger"
        self.logs, self.metrics = FileLogs(folder / "logs"), SqliteMetrics(folder / "metrics.sqlite")
        self.layout = Layout(folder / "node", "t")
        self.layout.folder.mkdir(parents=True)
        self.spool = spool.Spool(self.layout)

    def open(self) -> Ledger:
        return Ledger.create(self.folder, task())

    def take(self, ledger: Ledger, most: int = spool.MOST) -> None:
        """As a poll does."""
        offset = ledger.cursor.get("offset", 0)
        text, _ = spool.read(self.layout.folder, offset, most)
        if text:
            ledger.take(text, offset + len(text.encode()), self.logs, self.metrics)

    def lines(self) -> list[str]:
        return [event.message for event in self.logs.read("/g", "s")[0]]

    def values(self) -> list[float]:
        return [sample.value for sample in self.metrics.samples(Series("n", "loss", (("Job", "j"),)), 0, 1e12)]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def say(place: Place, *numbers: int) -> None:
    place.spool.append("/g", "s", [LogEvent(1000 + n, f"line {n} é\u2028") for n in numbers])
    place.spool.put([Sample("n", "loss", (("Job", "j"),), 1000.0 + n, float(n)) for n in numbers])


def test_lines_and_samples_arrive_in_order(place: Place) -> None:
    ledger = place.open()
    place.spool.create_stream("/g", "s")
    place.take(ledger)
    assert place.logs.stream_names("/g") == ["s"]
    say(place, 1, 2)
    place.take(ledger)
    say(place, 3)
    place.take(ledger)
    assert place.lines() == [f"line {n} é\u2028" for n in (1, 2, 3)]
    assert place.values() == [1.0, 2.0, 3.0]


@pytest.mark.parametrize("killed", ["before", "after the log", "after the metrics"])
def test_a_kill_between_log_and_cursor_doubles_nothing(place: Place, killed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    place.logs.append("/g", "s", [LogEvent(1, "of an earlier task")])
    ledger = place.open()
    say(place, 1)
    place.take(ledger)
    say(place, 2, 3)

    class Killed(Exception):
        pass

    def die(*args: object, **named: object) -> None:
        raise Killed

    target = {"before": (place.logs, "append"), "after the log": (place.metrics, "put"), "after the metrics": (ledger, "_keep")}[killed]
    monkeypatch.setattr(*target, die)
    with pytest.raises(Killed):
        place.take(ledger)
    monkeypatch.undo()
    say(place, 4)
    again = place.open()
    place.take(again)
    say(place, 5)
    place.take(again)
    assert place.lines() == ["of an earlier task", *(f"line {n} é\u2028" for n in (1, 2, 3, 4, 5))]
    assert place.values() == [1.0, 2.0, 3.0, 4.0, 5.0]


def test_each_container_has_its_stream_and_a_kill_doubles_none(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    streams = ("s/one", "s/two")
    whole = task(containers=[task(log_stream=stream) for stream in streams])

    def lines() -> dict[str, list[str]]:
        return {stream: [e.message for e in place.logs.read("/g", stream)[0]] for stream in place.logs.stream_names("/g")}

    def more(number: int) -> None:
        for stream in streams:
            place.spool.append("/g", stream, [LogEvent(number, f"{stream} {number}")])

    real, written = place.logs.append, []

    def append(group: str, stream: str, events: list[LogEvent]) -> None:
        written.append(stream)
        if len(written) == 2:  # killed with the lines of one stream written, and those of the other not
            raise InterruptedError
        real(group, stream, events)

    ledger = Ledger.create(place.folder, whole)
    more(1)
    place.take(ledger)
    more(2)
    monkeypatch.setattr(place.logs, "append", append)
    with pytest.raises(InterruptedError):
        place.take(ledger)
    monkeypatch.undo()
    place.take(Ledger(place.folder))
    assert lines() == {stream: [f"{stream} {number}" for number in (1, 2)] for stream in streams}


def test_the_same_batch_twice_counts_once(place: Place) -> None:
    ledger = place.open()
    say(place, 1)
    text, whole = spool.read(place.layout.folder, 0)
    assert whole
    for _ in range(2):
        ledger.take(text, len(text.encode()), place.logs, place.metrics)
    assert len(place.lines()) == 1


def test_a_long_line_is_read_whole_and_the_rest_waits(place: Place) -> None:
    place.spool.append("/g", "s", [LogEvent(1, "x" * 5000)])
    place.spool.append("/g", "s", [LogEvent(2, "y")])
    text, _ = spool.read(place.layout.folder, 0, 1000)
    assert text.endswith("\n")
    ledger = place.open()
    for _ in range(3):
        place.take(ledger, 1000)
    assert place.lines() == ["x" * 5000, "y"]
    assert spool.read(place.layout.folder, ledger.cursor["offset"]) == ("", True)


def test_reports_of_the_node_come_once_and_ours_between_them(place: Place) -> None:
    ledger = place.open()
    assert ledger.report("Preparing", {"Message": "waiting"})
    assert ledger.report("Staging", {}, 5.0, 1)
    assert not ledger.report("Staging", {}, 5.0, 1)
    with (place.folder / "events.jsonl").open("ab") as file:
        file.write(b'{"seq": 3, "at"')  # killed while it wrote
    again = place.open()
    assert again.after == 1
    assert again.report("Started", {"Pid": 1}, 6.0, 2)
    assert again.report("Finished", {}, 7.0, 3)
    assert not again.report("Failed", {"Reason": "late"})
    assert [(r.seq, r.name) for r in place.open().reports(0)] == [(1, "Preparing"), (2, "Staging"), (3, "Started"), (4, "Finished")]
    assert place.open().ended


# -- frames


async def test_frames_of_any_size_and_the_end() -> None:
    one, other = socket.socketpair()
    reader, back = await asyncio.open_unix_connection(sock=one)
    _, writer = await asyncio.open_unix_connection(sock=other)
    for message in ({"a": 1}, {"long": "é" * 3_000_000}):
        frames.write(writer, message)
        assert await frames.read(reader) == message
    writer.write(b"\0\0")
    writer.close()
    assert await frames.read(reader) is None
    back.close()
