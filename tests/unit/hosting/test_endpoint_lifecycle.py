"""Every race of an endpoint, without a process."""

from typing import Any

import pytest

from sagewright.runtime.lifecycle import Event, ImpossibleTransition
from sagewright.slices.hosting import fleet, views
from sagewright.slices.hosting.lifecycle import LIFECYCLE
from sagewright.slices.hosting.states import DEPLOY, FORGET, RESTORE, RETIRE


def variant(name: str = "AllTraffic", count: int = 1, weight: float = 1.0) -> dict[str, Any]:
    return {"Name": name, "Model": "m", "Container": {"Image": "i:1"}, "Role": None, "Isolated": False, "InstanceType": "ml.m5.large",
            "Count": count, "Weight": weight, "Strategy": "RANDOM", "Startup": 240, "Resolved": 1.0}


class Story:
    """Plays events on one endpoint; a second passes between them."""

    def __init__(self, *variants: dict[str, Any]) -> None:
        self.now = 1000.0
        first, serial = fleet.plan("s", 0, "one", list(variants) or [variant()], self.now)
        self.doc = LIFECYCLE.begin({"EndpointName": "e", "EndpointConfigName": "one", "_prefix": "s", "_next": first, "_serial": serial}, self.now)
        self.instructions: list[str] = []
        self.gone = False

    def tell(self, name: str, **data: Any) -> "Story":
        self.now += 1
        stepped = LIFECYCLE.step("e", self.doc, Event(name, data), self.now)
        if stepped:
            self.doc, move = stepped
            self.gone = move.remove
            self.instructions += [i.name for i in move.instructions]
        return self

    def ready(self, *tasks: str) -> "Story":
        for task in tasks:
            self.tell("Ready", Task=task, Sockets=[f"/run/{task}"])
        return self

    def update(self, config: str = "two", retain: bool = False, excluded: tuple[str, ...] = (), variants: Any = None) -> "Story":
        return self.tell("Update", Config=config, Variants=variants or [variant()], Retain=retain, Excluded=list(excluded))

    @property
    def status(self) -> str:
        return str(self.doc["EndpointStatus"])


def test_create_serves_once_every_instance_answers() -> None:
    story = Story(variant(count=2)).tell("Submitted").ready("s-0")
    assert story.status == "Creating"
    assert (views.pending(story.doc) or {})["ProductionVariants"][0]["CurrentInstanceCount"] == 1
    story.ready("s-1")
    assert story.status == "InService"
    assert story.instructions == []
    [variant_] = views.summaries(story.doc)
    assert (variant_["CurrentInstanceCount"], variant_["DesiredInstanceCount"], variant_["CurrentWeight"]) == (2, 2, 1.0)
    assert variant_["DeployedImages"][0]["SpecifiedImage"] == "i:1"


def test_a_container_that_exits_fails_the_endpoint_and_says_why() -> None:
    story = Story().tell("Submitted").tell("Exited", Task="s-0", ExitCode=1, LastLog="ModuleNotFoundError: x")
    assert story.status == "Failed"
    reason = story.doc["FailureReason"]
    assert reason.startswith(
        "The primary container for production variant AllTraffic did not pass the ping health check. "
        "Please check CloudWatch logs for this endpoint. The container exited with code 1."
    )
    assert '"ModuleNotFoundError: x"' in reason
    assert "Logs: group /aws/sagemaker/Endpoints/e, stream AllTraffic/i-" in reason
    assert story.instructions == [RETIRE]
    story.tell("Finished", Task="s-0")
    assert story.instructions == [RETIRE, FORGET]
    story.tell("Forgotten", Task="s-0").tell("Delete")
    assert story.gone


def test_a_long_cause_leaves_room_for_where_the_logs_are() -> None:
    story = Story().tell("Failed", Task="s-0", Reason="ClientError: " + "x" * 3000)
    assert len(story.doc["FailureReason"]) <= 1024
    assert "Logs: group" in story.doc["FailureReason"]


def test_update_is_blue_green() -> None:
    story = Story().ready("s-0").update()
    assert story.status == "Updating"
    assert story.doc["EndpointConfigName"] == "one"
    assert list(story.doc["_fleet"]["Tasks"]) == ["s-0"]
    story.tell("Submitted").ready("s-1")
    assert (story.status, story.doc["EndpointConfigName"]) == ("InService", "two")
    assert list(story.doc["_fleet"]["Tasks"]) == ["s-1"]
    assert story.doc["_retiring"] == {"s-0": ["/run/s-0"]}
    assert story.instructions == [DEPLOY, RETIRE]
    story.tell("Exited", Task="s-0", ExitCode=143, Stopped=True).tell("Finished", Task="s-0").tell("Forgotten", Task="s-0")
    assert story.doc["_retiring"] == {}


def test_a_failed_update_rolls_back() -> None:
    story = Story().ready("s-0").update().tell("Submitted").tell("Failed", Task="s-1", Reason="ClientError: no model")
    assert (story.status, story.doc["EndpointConfigName"]) == ("InService", "one")
    assert story.doc["FailureReason"].startswith("ClientError: no model")
    assert list(story.doc["_fleet"]["Tasks"]) == ["s-0"]
    assert list(story.doc["_retiring"]) == ["s-1"]
    story.update().ready("s-2")
    assert story.doc["EndpointConfigName"] == "two"
    assert "FailureReason" not in story.doc


def test_refused_update_rolls_back() -> None:
    story = Story().ready("s-0").update().tell("Refused", Reason="ClientError: Cannot pull x")
    assert (story.status, story.doc["FailureReason"]) == ("InService", "ClientError: Cannot pull x")


def test_update_retains_counts_and_weights() -> None:
    story = Story(variant("a", 1, 1.0), variant("b", 1, 3.0)).ready("s-0", "s-1")
    new = [variant("a", 2, 9.0), variant("c", 1, 5.0)]
    story.update(retain=True, excluded=("DesiredWeight",), variants=new)
    assert [(v["Name"], v["Count"], v["Weight"]) for v in story.doc["_next"]["Variants"]] == [("a", 1, 9.0), ("c", 1, 5.0)]
    assert new[0]["Count"] == 2


def test_weights_alone_need_no_new_task() -> None:
    story = Story(variant("a"), variant("b")).ready("s-0", "s-1")
    story.tell("Scale", Desired=[{"VariantName": "a", "DesiredWeight": 4.0}])
    assert story.status == "Updating"
    assert [(v["CurrentWeight"], v["DesiredWeight"]) for v in views.summaries(story.doc)] == [(1.0, 4.0), (1.0, 1.0)]
    story.tell("Submitted")
    assert story.status == "InService"
    assert [v["Weight"] for v in story.doc["_fleet"]["Variants"]] == [4.0, 1.0]
    assert story.instructions == [DEPLOY]


def test_scale_out_and_in_keep_the_tasks_that_stay() -> None:
    story = Story().ready("s-0").tell("Scale", Desired=[{"VariantName": "AllTraffic", "DesiredInstanceCount": 2}])
    story.tell("Submitted").ready("s-1")
    assert set(story.doc["_fleet"]["Tasks"]) == {"s-0", "s-1"}
    story.tell("Scale", Desired=[{"VariantName": "AllTraffic", "DesiredInstanceCount": 1}]).tell("Submitted")
    assert len(story.doc["_fleet"]["Tasks"]) == 1
    assert len(story.doc["_retiring"]) == 1


def test_a_lost_instance_is_replaced_later_each_time() -> None:
    story = Story().ready("s-0").tell("Failed", Task="s-0", Reason="InternalServerError: gone")
    assert story.status == "InService"
    assert story.instructions == [RETIRE, RESTORE]
    assert story.doc["_fleet"]["Tasks"]["s-1"]["Phase"] == "Waiting"
    assert views.summaries(story.doc)[0]["CurrentInstanceCount"] == 0
    story.ready("s-1")
    assert story.doc["_fleet"]["Tasks"]["s-1"]["Sockets"] == ["/run/s-1"]
    story.tell("Failed", Task="s-1", Reason="again")
    assert story.doc["_losses"][0] == 2


def test_an_instance_lost_while_scaling_is_replaced_in_both() -> None:
    story = Story().ready("s-0").tell("Scale", Desired=[{"VariantName": "AllTraffic", "DesiredInstanceCount": 2}])
    story.tell("Failed", Task="s-0", Reason="gone").ready("s-1")
    assert story.status == "Updating"
    assert "s-2" in story.doc["_fleet"]["Tasks"]
    story.ready("s-2")
    assert story.status == "InService"
    assert set(story.doc["_fleet"]["Tasks"]) == {"s-1", "s-2"}


def test_a_restarted_worker_says_ready_again() -> None:
    story = Story().ready("s-0").tell("Ready", Task="s-0", Sockets=["/run/a", "/run/b"])
    assert story.doc["_fleet"]["Tasks"]["s-0"]["Sockets"] == ["/run/a", "/run/b"]
    assert story.status == "InService"


def test_delete_goes_when_the_last_task_has() -> None:
    story = Story(variant(count=2)).ready("s-0", "s-1").tell("Delete")
    assert story.status == "Deleting"
    assert story.instructions == [RETIRE]
    for task in ("s-0", "s-1"):
        assert not story.gone
        story.tell("Exited", Task=task, ExitCode=0).tell("Finished", Task=task).tell("Forgotten", Task=task)
    assert story.gone


def test_every_key_of_a_task_is_known_until_it_is_gone() -> None:
    story = Story().tell("Keyed", Task="s-0", Key="a").tell("Keyed", Task="s-0", Key="b").ready("s-0")
    assert story.doc["_keys"] == {"s-0": ["a", "b"]}, "an executor that ran twice made two"
    story.update().ready("s-1").tell("Forgotten", Task="s-0")
    assert story.doc["_keys"] == {}


def test_late_reports_change_nothing() -> None:
    story = Story().ready("s-0").update().ready("s-1").tell("Forgotten", Task="s-0")
    before = story.doc
    story.tell("Ready", Task="s-0", Sockets=["/x"]).tell("Exited", Task="s-0", ExitCode=1).tell("Finished", Task="s-0")
    assert story.doc == before


@pytest.mark.parametrize("event", ["Update", "Scale", "Delete"])
def test_no_change_while_changing(event: str) -> None:
    with pytest.raises(ImpossibleTransition):
        Story().tell(event)
    with pytest.raises(ImpossibleTransition):
        Story().ready("s-0").update().tell(event)


def test_a_fault_never_leaves_an_endpoint_hanging() -> None:
    assert Story().tell("Fault", Reason="InternalServerError: x").status == "Failed"
    assert Story().ready("s-0").update().tell("Fault", Reason="x").status == "InService"
    story = Story().ready("s-0").tell("Delete").tell("Fault", Reason="x")
    assert story.instructions == [RETIRE, RETIRE]
