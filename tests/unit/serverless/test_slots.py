"""Who takes a request, who is woken, who is let go: every race without a process."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sagewright.slices.serverless.slots import FIRST_REST, HELD, LONGEST_REST, SETTLE, Slots, State, Verdict


def awake(most: int = 3, kept: int = 0, *, count: int = 0, idle: float = 10.0) -> Slots:
    slots = Slots(most, kept, idle, together=2)
    for slot in range(count):
        slots.states[slot] = State.WAKING
        slots.awake(slot, 0.0)
    return slots


def test_a_sleeper_holds_whoever_comes_however_many() -> None:
    slots = awake(most=2)
    assert [slots.admit(n, 0.0) for n in range(HELD)] == [Verdict.WAIT] * HELD
    assert slots.admit(HELD, 0.0) is Verdict.THROTTLE


def test_one_that_is_awake_throttles_above_its_concurrency() -> None:
    slots = awake(most=2, count=1)
    assert slots.admit(0, 5.0) is Verdict.TAKE
    assert slots.take() == 0
    assert slots.admit(0, 5.0) is Verdict.WAIT  # for a second instance
    assert slots.admit(1, 5.0) is Verdict.THROTTLE


def test_the_tail_of_a_burst_is_held_a_moment_longer() -> None:
    slots = awake(most=1)
    slots.admit(0, 0.0)
    slots.wake(1, 0.0)
    slots.awake(0, 0.1)
    slots.take()
    slots.settle(0, 0.1)
    assert slots.admit(0, 0.1 + SETTLE / 2) is Verdict.WAIT
    assert slots.admit(1, 0.2 + SETTLE) is Verdict.THROTTLE


def test_no_more_wake_than_needed_and_not_all_at_once() -> None:
    slots = awake(most=5)
    assert slots.wake(1, 0.0) == [0]
    assert slots.wake(1, 0.0) == []  # it is on its way
    assert slots.wake(9, 0.0) == [1]  # two together
    slots.awake(0, 0.0)
    slots.take()
    assert slots.wake(8, 0.0) == [2]


def test_the_lowest_takes_and_the_others_fall_asleep() -> None:
    slots = awake(most=3, kept=1, count=3, idle=10.0)
    assert slots.take() == 0
    slots.release(0, 0, 4.0)
    assert slots.tired(9.0) == []
    assert slots.due(9.0) == 1.0
    assert slots.tired(10.0) == [1, 2]  # the first is kept
    assert slots.admit(0, 10.0) is Verdict.TAKE
    assert slots.due(10.0) is None


def test_kept_ones_are_woken_for_nobody() -> None:
    slots = awake(most=3, kept=2)
    assert slots.wake(0, 0.0) == [0, 1]
    slots.gone(0, 1.0, ready=True)
    assert slots.wake(0, 1.0) == [0]


def test_fewer_slots_let_go_of_those_above() -> None:
    slots = awake(most=3, count=3)
    slots.configure({"MaxConcurrency": 1}, 10.0)
    assert slots.tired(0.0) == [1, 2]


def test_what_cannot_start_is_not_started_again_and_again() -> None:
    slots, now, starts = awake(most=1), 0.0, 0
    while now < 600:
        if slots.wake(1, now):
            starts += 1
            slots.gone(0, now, ready=False)
            assert slots.hopeless(now)
        now += 0.25
    assert starts < 20
    assert slots.rests_until - now <= LONGEST_REST
    slots.wake(1, slots.rests_until)
    slots.awake(0, now + LONGEST_REST)
    slots.gone(0, now, ready=False)
    assert slots.rests_until == now + FIRST_REST  # from anew once one has started


def test_an_instance_that_ends_under_a_request_is_not_given_back() -> None:
    slots = awake(most=1, count=1)
    assert slots.take() == 0
    slots.gone(0, 1.0, ready=True)
    slots.release(0, 0, 1.0)
    assert slots.states == {}


@given(st.lists(st.sampled_from(["come", "ready", "end", "done", "tick"]), max_size=60), st.integers(1, 4), st.integers(0, 2))
def test_never_more_instances_than_slots_nor_two_requests_in_one(events: list[str], most: int, kept: int) -> None:
    kept = min(most, kept)
    slots, now, waiting, running = Slots(most, kept, 2.0, together=2), 0.0, 0, set[int]()
    for event in events:
        now += 0.3
        waking = [slot for slot, state in slots.states.items() if state is State.WAKING]
        if event == "come" and slots.admit(waiting, now) is not Verdict.THROTTLE:
            waiting += 1
        elif event == "ready" and waking:
            slots.awake(waking[0], now)
        elif event == "end" and slots.states:
            slot = max(slots.states)
            slots.gone(slot, now, ready=slots.states[slot] is not State.WAKING)
            running.discard(slot)
        elif event == "done" and running:
            slots.release(running.pop(), waiting, now)
        while waiting and (taken := slots.take()) is not None:
            assert taken not in running
            running.add(taken)
            waiting -= 1
        slots.wake(waiting, now)
        slots.tired(now)
        assert set(slots.states) <= set(range(most))
        assert slots.running == len(running) <= most
        if waiting and now >= slots.rests_until:  # nobody waits for nothing
            assert slots.count(State.WAKING, State.BUSY, State.ENDING)
