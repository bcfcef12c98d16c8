"""Deployments of every policy, in every order that things may happen, without a process."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sagewright.runtime.lifecycle import Event, Instruction
from sagewright.slices.hosting import fleet, policy, rollout, views
from sagewright.slices.hosting.lifecycle import LIFECYCLE
from sagewright.slices.hosting.routing import specs
from sagewright.slices.hosting.states import (
    BAKE,
    DEPLOY,
    EXPIRE,
    FORGET,
    IN_SERVICE,
    LEAVE,
    RESTORE,
    RETIRE,
    ROLLBACK_FAILED,
    ROLLING_BACK,
    SERVING,
    SETTLE,
    UPDATING,
    WATCH,
)
from sagewright.wire.errors import Invalid

from .test_endpoint_lifecycle import variant
from .test_policy import bluegreen, configs, instances, percent, rolling

ALARMS = {"AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "errors"}]}}


class World:
    """An endpoint, and what a platform does for it: tasks that start or fail, timers that fire, alarms that go off."""

    def __init__(self, *variants: dict[str, Any], alarmed: bool = False) -> None:
        self.now, self.alarmed, self.refuses = 1000.0, alarmed, False
        self.work: list[Instruction] = []
        self.started: set[str] = set()
        self.over: set[str] = set()
        self.gone = False
        first, serial = fleet.plan("s", 0, "one", list(variants) or [variant()], self.now)
        doc = {"EndpointName": "e", "EndpointConfigName": "one", "_prefix": "s", "_next": first, "_serial": serial}
        self.doc = LIFECYCLE.begin(doc, self.now)
        self.work = [Instruction(DEPLOY)]
        self.run()
        assert self.state == IN_SERVICE

    @property
    def state(self) -> str:
        return str(self.doc["_state"])

    def tell(self, name: str, **data: Any) -> None:
        self.now += 1
        stepped = LIFECYCLE.step("e", self.doc, Event(name, data), self.now)
        if stepped:
            doc, move = stepped
            self.doc = json.loads(json.dumps(doc))  # as the records keep it
            self.gone = move.remove
            self.work += move.instructions
        self.check()

    def update(self, config: dict[str, Any] | None = None, variants: list[dict[str, Any]] | None = None, name: str = "two") -> None:
        new = variants or [variant(v["Name"], v["Count"]) for v in self.doc["_fleet"]["Variants"]]
        self.tell("Update", Config=name, Variants=new, Retain=False, Excluded=[], Given=config, Caller={})

    def tasks(self) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        for member in ("_fleet", "_next", "_mixed"):
            found |= (self.doc.get(member) or {"Tasks": {}})["Tasks"]
        return found

    def waiting(self) -> list[str]:
        return sorted(t for t in self.started - self.over if self.tasks().get(t, {}).get("Phase") == "Waiting")

    def carry_out(self, instruction: Instruction) -> None:
        """What the executor of an instruction does; any number of times."""
        name, args = instruction.name, instruction.args
        if name in (DEPLOY, RESTORE):
            self.started |= {t for t, about in self.tasks().items() if about["Phase"] == "Waiting"}
            if name == DEPLOY:
                self.tell("Submitted")
        elif name == RETIRE:
            for task in list(self.doc.get("_retiring", {})):
                self.over.add(task)
                self.tell("Finished", Task=task)
        elif name == FORGET:
            self.tell("Forgotten", Task=args["Task"])
        elif name == BAKE:
            self.tell("Tripped", Reason="errors is in ALARM.", **args) if self.alarmed else self.tell("Baked", **args)
        elif name == WATCH and self.alarmed:
            self.tell("Tripped", Reason="errors is in ALARM.", **args)
        elif name in (EXPIRE, LEAVE, SETTLE):
            self.tell({EXPIRE: "TimedOut", LEAVE: "Left", SETTLE: "Settled"}[name], **args)

    def answer(self, task: str) -> None:
        self.tell("Ready", Task=task, Sockets=[f"/run/{task}"])

    def lose(self, task: str) -> None:
        self.over.add(task)
        self.tell("Failed", Task=task, Reason="InternalServerError: gone")

    def run(self, *, until: str = "", time: bool = True) -> None:
        """Let everything happen that is due; with ``time``, timers too. Stops when an instruction of a name comes up."""
        while self.work or self.waiting():
            if task := next(iter(self.waiting()), None):
                self.answer(task)
                continue
            due = [i for i in self.work if i.name != EXPIRE and (time or i.delay <= 1)]
            if not due or due[0].name == until:
                return
            self.work.remove(due[0])
            self.carry_out(due[0])

    def check(self) -> None:
        """What holds at any moment."""
        if self.gone or self.state not in SERVING:
            return
        found = specs(self.doc)
        assert sum(s.weight for s in found) == pytest.approx(1.0), "every request has somewhere to go"
        routed = [path for s in found for path in s.sockets]
        assert len(routed) == len(set(routed))
        going = {path for member in ("_retiring", "_leaving") for paths in self.doc.get(member, {}).values() for path in paths}
        assert not going & set(routed), "what has to go gets no request"
        deployment = self.doc.get("_deployment")
        if self.state in (IN_SERVICE, ROLLBACK_FAILED):
            assert deployment is None
            assert not self.doc.get("_leaving")
            assert views.pending(self.doc) is None
        if self.state == IN_SERVICE:
            assert self.doc.get("_next") is None
            assert self.doc.get("_mixed") is None
            assert self.doc["EndpointConfigName"] == self.doc["_fleet"]["Config"]
        if deployment and rollout.is_rolling(deployment["Config"]) and self.doc.get("_next"):
            size = deployment["Config"]["RollingUpdatePolicy"]["MaximumBatchSize"]
            for one in self.doc["_next"]["Variants"]:
                name, batch = one["Name"], policy.batch(size, one["Count"])
                old = next((v["Count"] for v in self.doc["_fleet"]["Variants"] if v["Name"] == name), 0)
                live = fleet.counted(self.doc["_next"], name) + fleet.counted(self.doc["_fleet"], name)
                most = max(one["Count"], old) + batch + 1 if self.state == UPDATING else one["Count"] + old
                assert live <= most, "no second fleet"
        for one in views.summaries(self.doc) + (views.pending(self.doc) or {"ProductionVariants": []})["ProductionVariants"]:
            assert len(one.get("VariantStatus", ())) <= 5

    def share(self, config: str = "two", name: str = "AllTraffic") -> float:
        """The share of the requests that a configuration's variant gets."""
        now = {**self.doc, "_state": UPDATING}  # so that the specs say their configuration
        return round(sum(s.weight for s in specs(now) if s.config == config and s.name == name), 6)

    def stages(self) -> list[str]:
        shown = views.pending(self.doc) or {"ProductionVariants": views.summaries(self.doc)}
        return [s["Status"] for s in shown["ProductionVariants"][0].get("VariantStatus", ())]


# -- stories


def test_canary_with_bakes() -> None:
    world = World()
    world.update({**bluegreen("CANARY", 300, CanarySize=percent(10), TerminationWaitInSeconds=60), **ALARMS})
    assert (world.share(), world.stages()) == (0.0, ["Creating"])
    world.run(until=BAKE)
    assert (world.state, world.share(), world.share("one")) == (UPDATING, 0.1, 0.9)
    assert world.stages() == ["Baking", "ActivatingTraffic", "Creating"]
    weights = [views.summaries(world.doc)[0]["CurrentWeight"], (views.pending(world.doc) or {})["ProductionVariants"][0]["CurrentWeight"]]
    assert weights == pytest.approx([0.9, 0.1])
    bake = next(i for i in world.work if i.name == BAKE)
    assert bake.delay == 300
    world.work.remove(bake)
    world.carry_out(bake)
    assert (world.share(), world.share("one")) == (1.0, 0.0)
    assert "s-0" in world.doc["_fleet"]["Tasks"], "the old fleet is there until the last bake is over"
    world.run(until=LEAVE)
    assert (world.state, world.doc["EndpointConfigName"], world.stages()[0]) == (UPDATING, "two", "Deleting")
    assert world.doc["_leaving"] == {"s-0": ["/run/s-0"]}
    world.run()
    assert (world.state, list(world.doc["_fleet"]["Tasks"]), world.doc["_retiring"]) == (IN_SERVICE, ["s-1"], {})
    assert world.doc["LastDeploymentConfig"]["BlueGreenUpdatePolicy"]["TerminationWaitInSeconds"] == 60


def test_an_alarm_takes_a_canary_back() -> None:
    world = World()
    world.update({**bluegreen("CANARY", 300, CanarySize=percent(10)), **ALARMS})
    world.run(until=BAKE)
    world.alarmed = True
    world.run(until=SETTLE)
    assert (world.state, world.share(), world.doc["FailureReason"]) == (ROLLING_BACK, 0.0, "errors is in ALARM.")
    world.run()
    assert (world.state, world.doc["EndpointConfigName"], world.share("one")) == (IN_SERVICE, "one", 1.0)
    assert world.doc["FailureReason"] == "errors is in ALARM."
    assert list(world.doc["_fleet"]["Tasks"]) == ["s-0"]
    world.alarmed = False
    world.update(world.doc["LastDeploymentConfig"])
    world.run()
    assert (world.doc["EndpointConfigName"], world.doc.get("FailureReason")) == ("two", None)


def test_linear_shifts_in_equal_steps() -> None:
    world = World()
    world.update(bluegreen("LINEAR", 10, LinearStepSize=percent(25)))
    seen = []
    while True:
        world.run(until=BAKE)
        if world.state != UPDATING:
            break
        seen.append(world.share())
        bake = next(i for i in world.work if i.name == BAKE)
        world.work.remove(bake)
        world.carry_out(bake)
    assert seen == [0.25, 0.5, 0.75, 1.0]


def test_rolling_replaces_batch_by_batch() -> None:
    world = World(variant(count=4))
    world.update(rolling(instances(1), 5))
    seen = []
    while True:
        world.run(until=BAKE)
        if world.state != UPDATING:
            break
        seen.append((world.share(), len(world.doc["_next"]["Tasks"]), len(world.doc["_fleet"]["Tasks"])))
        bake = next(i for i in world.work if i.name == BAKE)
        world.work.remove(bake)
        world.carry_out(bake)
    assert seen == [(0.25, 1, 4), (0.5, 2, 3), (0.75, 3, 2), (1.0, 4, 1)]
    assert (world.state, len(world.doc["_fleet"]["Tasks"]), world.doc["EndpointConfigName"]) == (IN_SERVICE, 4, "two")


@pytest.mark.parametrize(("back", "restarts"), [(None, 1), (instances(1), 2)])
def test_a_rolling_update_is_taken_back(back: dict[str, Any] | None, restarts: int) -> None:
    world = World(variant(count=4))
    world.update({**rolling(instances(1), 5, **({"RollbackMaximumBatchSize": back} if back else {})), **ALARMS})
    for _ in range(2):
        world.run(until=BAKE)
        bake = next(i for i in world.work if i.name == BAKE)
        world.work.remove(bake)
        world.carry_out(bake)
    world.run(until=BAKE)
    assert len(world.doc["_fleet"]["Tasks"]) == 2
    world.alarmed, seen = True, 0
    world.work = [i for i in world.work if i.name != WATCH]
    while world.work or world.waiting():
        seen += any(i.name == RESTORE for i in world.work)
        batch = world.waiting()
        for task in batch:
            world.answer(task)
        if world.work:
            world.carry_out(world.work.pop(0))
    assert seen >= restarts
    assert (world.state, world.doc["EndpointConfigName"], world.share("one")) == (IN_SERVICE, "one", 1.0)
    assert len(world.doc["_fleet"]["Tasks"]) == 4
    assert world.doc["FailureReason"] == "errors is in ALARM."


def mixed() -> World:
    """A rolling update half way, whose rollback could not bring the old instances back."""
    world = World(variant(count=4))
    world.update({**rolling(percent(50), 5), **ALARMS})
    world.run(until=BAKE)
    bake = next(i for i in world.work if i.name == BAKE)
    world.work.remove(bake)
    world.carry_out(bake)
    world.run(until=BAKE)
    world.alarmed = True
    world.work = [i for i in world.work if i.name != WATCH]
    world.carry_out(next(i for i in world.work if i.name == BAKE))
    assert world.state == ROLLING_BACK
    restore = next(i for i in world.work if i.name == RESTORE)
    world.carry_out(restore)
    world.lose(world.waiting()[0])
    assert world.state == ROLLBACK_FAILED
    world.work = [i for i in world.work if i.name not in (BAKE, WATCH)]
    world.alarmed = False
    world.run()
    return world


def test_a_rollback_that_fails_leaves_a_mixed_fleet_that_serves() -> None:
    world = mixed()
    assert world.doc["EndpointStatus"] == "UpdateRollbackFailed"
    assert "The rollback failed" in world.doc["FailureReason"]
    assert world.share() == pytest.approx(4 / 6)
    assert world.share("one") == pytest.approx(2 / 6)
    lost = next(iter(world.doc["_next"]["Tasks"]))
    world.lose(lost)
    world.run()
    assert world.state == ROLLBACK_FAILED
    assert len(world.doc["_next"]["Tasks"]) == 4


def test_a_mixed_fleet_can_be_updated_or_deleted() -> None:
    world = mixed()
    world.update(rolling(percent(50), 5), [variant(count=2)], name="three")
    world.run()
    assert (world.state, world.doc["EndpointConfigName"], world.share("three")) == (IN_SERVICE, "three", 1.0)
    assert world.doc["_retiring"] == {}
    world = mixed()
    world.tell("Delete")
    world.run()
    assert world.gone


def test_a_mixed_fleet_stays_when_its_update_fails() -> None:
    world = mixed()
    world.update(None, [variant(count=2)], name="three")
    world.carry_out(world.work.pop(0))
    world.lose(world.waiting()[0])
    assert world.state == ROLLBACK_FAILED
    world.run()
    assert world.share() == pytest.approx(4 / 6)
    assert world.share("three") == 0.0


def test_a_deployment_that_takes_too_long_is_taken_back() -> None:
    world = World()
    world.update(bluegreen("CANARY", 10, CanarySize=percent(10), MaximumExecutionTimeoutInSeconds=600))
    world.run(until=BAKE)
    expire = next(i for i in world.work if i.name == EXPIRE)
    assert expire.delay == 600
    world.carry_out(expire)
    assert world.state == ROLLING_BACK
    world.run()
    assert (world.state, world.doc["EndpointConfigName"]) == (IN_SERVICE, "one")
    assert "MaximumExecutionTimeoutInSeconds (600)" in world.doc["FailureReason"]
    world.update()
    world.carry_out(expire)
    assert world.state == UPDATING, "another deployment has its own time"


def test_an_instance_lost_in_a_bake_takes_the_deployment_back() -> None:
    world = World()
    world.update(bluegreen("CANARY", 10, CanarySize=percent(10)))
    world.run(until=BAKE)
    world.lose("s-1")
    assert (world.state, world.share()) == (ROLLING_BACK, 0.0)
    world.run()
    assert (world.state, world.doc["EndpointConfigName"]) == (IN_SERVICE, "one")
    assert "InternalServerError: gone" in world.doc["FailureReason"]


def test_an_old_instance_lost_meanwhile_is_replaced() -> None:
    world = World()
    world.update(bluegreen("CANARY", 10, CanarySize=percent(10)))
    world.run(until=BAKE)
    world.lose("s-0")
    assert world.state == UPDATING
    assert world.share() == 1.0, "who answers gets the requests"
    world.run(until=BAKE, time=False)
    assert world.share() == 0.1
    assert len(world.doc["_fleet"]["Tasks"]) == 1


def test_an_old_instance_may_die_in_its_termination_wait() -> None:
    world = World(variant(count=2))
    world.update(bluegreen("ALL_AT_ONCE", TerminationWaitInSeconds=60))
    world.run(until=LEAVE)
    world.lose("s-0")
    assert list(world.doc["_leaving"]) == ["s-1"]
    world.run()
    assert (world.state, world.doc["_retiring"]) == (IN_SERVICE, {})


@pytest.mark.parametrize("config", [bluegreen("CANARY", 5, CanarySize=percent(10), TerminationWaitInSeconds=5), rolling(percent(50), 5)])
def test_an_executor_that_gives_up_never_leaves_a_deployment_hanging(config: dict[str, Any]) -> None:
    for stop in (DEPLOY, BAKE, LEAVE):
        world = World(variant(count=2))
        world.update(config)
        world.run(until=stop)
        world.tell("Fault", Reason="InternalServerError: x")
        world.run()
        assert world.state == IN_SERVICE


# -- every order


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_order_of_events_ends_well(data: st.DataObject) -> None:
    counts = data.draw(st.lists(st.integers(1, 5), min_size=1, max_size=2))
    variants = [variant("ab"[n], count) for n, count in enumerate(counts)]
    config = data.draw(st.none() | configs)
    wait = data.draw(st.sampled_from([0, 5]))
    if config:
        rule = config.get("BlueGreenUpdatePolicy", {}).get("TrafficRoutingConfiguration") or config["RollingUpdatePolicy"]
        rule = {**rule, "WaitIntervalInSeconds": wait}
        config = {"RollingUpdatePolicy": {**rule, "RollbackMaximumBatchSize": percent(data.draw(st.sampled_from([30, 100])))}} \
            if "RollingUpdatePolicy" in config else \
            {"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": rule, "TerminationWaitInSeconds": wait, "MaximumExecutionTimeoutInSeconds": 600}}
        config |= ALARMS
        try:
            policy.check(config, variants)
        except Invalid:
            config = None
    world = World(*variants)
    old = [variant("ba"[n], count) for n, count in enumerate(reversed(counts))]
    world.update(config, data.draw(st.sampled_from([variants, old])))
    for _ in range(data.draw(st.integers(0, 60))):
        choices: list[tuple[str, Any]] = [("do", i) for i in world.work] + [("again", i) for i in world.work[:2]]
        choices += [("answer", t) for t in world.waiting()] + [("alarm", None)]
        choices += [("lose", t) for t in sorted(world.tasks()) if t in world.started - world.over][:2]
        if world.state not in (UPDATING, ROLLING_BACK):
            break
        what, about = data.draw(st.sampled_from(choices))
        if what == "do":
            world.work.remove(about)
            world.carry_out(about)
        elif what == "again":  # killed after the work and before it was taken off the queue
            world.carry_out(about)
        elif what == "answer":
            world.answer(about)
        elif what == "lose":
            world.lose(about)
        else:
            world.alarmed = not world.alarmed
    world.run()
    world.carry_out(Instruction(RETIRE))
    world.run()
    assert world.state in (IN_SERVICE, ROLLBACK_FAILED)
    if world.doc["EndpointConfigName"] == "one":
        assert world.doc.get("FailureReason")
    assert not world.doc.get("_retiring")
    known = set(world.tasks())
    assert known == {t for t in known if t in world.started and t not in world.over}, "what serves runs"
    assert not world.started - world.over - known, "what does not serve is over"
    world.tell("Delete")
    world.run()
    assert world.gone
