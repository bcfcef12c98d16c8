"""The load test's own decisions: how many users, what counts, when it is enough."""

from __future__ import annotations

import hashlib
import itertools
import random
from pathlib import Path

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from sagewright.slices.recommender.engine import payloads, signing, traffic
from sagewright.slices.recommender.engine.verdict import Count, Limits, is_flat, levels

PHASES = {"TrafficType": "PHASES", "Phases": [
    {"InitialNumberOfUsers": 1, "SpawnRate": 2, "DurationInSeconds": 120}, {"InitialNumberOfUsers": 5, "DurationInSeconds": 60}]}
STAIRS = {"TrafficType": "STAIRS", "Stairs": {"DurationInSeconds": 10, "NumberOfSteps": 3, "UsersPerStep": 2}}


def counted(users: int, answered: int, *, seconds: float = 1.0, latency: float = 0.01, failed: int = 0, segment: int = 0) -> Count:
    count = Count(users, segment)
    count.seconds, count.failed = seconds, failed
    for _ in range(answered):
        count.add(latency)
    return count


def people(plan: list[traffic.Segment], at: float) -> int:
    window = next(w for w in traffic.windows(plan) if w.start <= at < w.end)
    return traffic.users(plan, window, at)


def test_phases_begin_with_their_users_and_spawn_more_by_the_minute() -> None:
    plan = traffic.segments(PHASES)
    assert [people(plan, at) for at in (0, 29, 31, 60, 119, 121, 179)] == [1, 1, 2, 3, 4, 5, 5]
    assert (traffic.length(plan), traffic.most(plan)) == (180, 5)


def test_stairs_add_users_step_by_step() -> None:
    plan = traffic.segments(STAIRS)
    assert [people(plan, at) for at in (0, 9.9, 10, 20, 29)] == [2, 2, 4, 6, 6]


@given(st.lists(st.floats(0.5, 400), min_size=1, max_size=6))
def test_windows_cover_the_whole_pattern_and_end_with_their_segments(lengths: list[float]) -> None:
    plan = [{"Seconds": seconds, "Users": 1, "PerMinute": 0} for seconds in lengths]
    found = traffic.windows(plan)
    assert found[0].start == 0
    assert found[-1].end == pytest.approx(sum(lengths))
    assert all(a.end == pytest.approx(b.start) for a, b in itertools.pairwise(found))
    assert {w.segment for w in found} == set(range(len(lengths)))
    assert all(w.end - w.start <= 7.5 for w in found)


@given(st.lists(st.floats(1e-5, 50), min_size=1, max_size=200), st.sampled_from([50, 90, 95, 99]))
def test_percentiles_are_right_to_one_per_cent(latencies: list[float], percent: int) -> None:
    count = Count()
    for seconds in latencies:
        count.add(seconds)
    rank = max(0, -(-len(latencies) * percent // 100) - 1)
    exact = sorted(latencies)[rank] * 1e3
    assert exact * 0.999 <= count.percentile(percent) <= exact * 1.0201


def test_a_level_is_what_windows_of_the_same_users_have_in_common() -> None:
    away = counted(2, 1)
    away.lost = True
    found = levels([counted(1, 10), counted(1, 30), away, counted(2, 50), counted(2, 50, segment=1)])
    assert [(level.users, level.answered, level.seconds) for level in found] == [(1, 40, 2), (2, 50, 1), (2, 50, 1)]


def test_the_best_level_keeps_the_threshold_and_hardly_fails() -> None:
    counts = [counted(1, 10), counted(2, 20, latency=0.02), counted(4, 30, latency=0.2), counted(8, 90, failed=5)]
    best = Limits({"Percent": 95, "Milliseconds": 100}).best(counts)
    assert best is not None
    assert (best.users, best.rate) == (2, 1200)
    assert Limits({"Percent": 95, "Milliseconds": 5}).best(counts) is None


def test_a_test_ends_when_a_limit_is_reached() -> None:
    slow = [counted(1, 10), counted(2, 20, latency=0.3)]
    assert "above the threshold of 100 ms" in Limits({"Milliseconds": 100}).reached(slow)
    assert Limits({"Milliseconds": 500}).reached(slow) == ""
    assert "MaxInvocations, 1100" in Limits({"MaxInvocations": 1100}).reached(slow)
    assert Limits({"MaxInvocations": 1300}).reached(slow) == ""
    away = counted(4, 900, latency=9)
    away.lost = True
    assert Limits({"Milliseconds": 1, "MaxInvocations": 1}).reached([away]) == "", "the server's absence is no slowness"


def test_more_users_that_bring_nothing_are_flat() -> None:
    grows = [counted(users, 100 * users) for users in (1, 2, 4, 8)]
    assert not is_flat(grows)
    flat = [*grows, *(counted(users, 810) for users in (16, 16, 32))]
    assert not is_flat(flat[:-1]), "two windows may be chance"
    assert is_flat(flat)
    assert not is_flat([counted(4, 100) for _ in range(20)]), "the same users bring the same"
    assert Limits({"Flat": False}).reached(flat) == ""
    assert "no more invocations" in Limits({}).reached(flat)


@pytest.mark.parametrize(("name", "supported", "kind"), [
    ("a.csv", ["text/csv", "application/json"], "text/csv"), ("a.json", ["text/csv", "application/json"], "application/json"),
    ("a.bin", ["text/csv"], "text/csv"), ("a.JPG", [], "image/jpeg"), ("a.bin", [], "application/octet-stream"),
])
def test_a_payload_is_what_its_name_says_if_the_model_takes_that(name: str, supported: list[str], kind: str) -> None:
    assert payloads.content_type(name, supported) == kind


def test_payloads_are_the_files_of_the_archive(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no file"):
        payloads.read(tmp_path, [])
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "two.csv").write_bytes(b"2")
    (tmp_path / "one.csv").write_bytes(b"1")
    (tmp_path / "._one.csv").write_bytes(b"what a Mac leaves in archives")
    assert [(name, body) for name, _, body in payloads.read(tmp_path, [])] == [("b/two.csv", b"2"), ("one.csv", b"1")]


def test_a_signature_is_botocore_s(monkeypatch: pytest.MonkeyPatch) -> None:
    body, digest = b"1,2\n", hashlib.sha256(b"1,2\n").hexdigest()
    signer = signing.Signer(("AKID", "secret", "token/+="), "eu-west-1", "127.0.0.1:4566", "/endpoints/e-1/invocations")
    moment = 1_700_000_000
    monkeypatch.setattr(signing.time, "time", lambda: moment)
    head = dict(line.split(": ", 1) for line in signer.head(0, {"content-type": "text/csv"}, digest, 4).decode().split("\r\n")[1:] if line)
    request = AWSRequest("POST", "http://127.0.0.1:4566/endpoints/e-1/invocations", {"content-type": "text/csv", "x-amz-content-sha256": digest}, body)
    auth = SigV4Auth(Credentials("AKID", "secret", "token/+="), "sagemaker", "eu-west-1")
    request.context["timestamp"] = head["x-amz-date"]
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: __import__("datetime").datetime(2023, 11, 14, 22, 13, 20))
    auth.add_auth(request)
    assert head["authorization"] == request.headers["Authorization"]
    assert head["content-length"] == "4"


def test_a_payload_is_signed_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    signer, now = signing.Signer(("a", "b", ""), "us-east-1", "h", "/p"), [100.9]
    monkeypatch.setattr(signing.time, "time", lambda: now[0])
    heads = [signer.head(0, {}, "d", random.Random(1).randrange(9)) for _ in range(2)]
    assert heads[0] is heads[1]
    now[0] = 101.0
    assert signer.head(0, {}, "d", 1) is not heads[0]
