"""The lifecycle engine itself."""

import pytest

from sagewright.runtime.lifecycle import Event, ImpossibleTransition, Instruction, Lifecycle, Move, ignore, to

LIGHT = Lifecycle(
    "Light",
    start="Off",
    final=("Broken",),
    table={
        ("Off", "Press"): to("On", Instruction("Glow"), Level=3),
        ("On", "Press"): to("Off", Level=None),
        (("On", "Off"), "Drop"): to("Broken"),
        ("Broken", "Press"): ignore,
    },
)


def test_a_step_changes_the_document_and_gives_instructions() -> None:
    doc = LIGHT.begin({"Name": "a"}, 1.0)
    stepped = LIGHT.step("a", doc, Event("Press"), 2.0)
    assert stepped is not None
    after, move = stepped
    assert (after["_state"], after["Level"], after["Name"]) == ("On", 3, "a")
    assert [i.name for i in move.instructions] == ["Glow"]
    assert doc["_state"] == "Off", "the old document is untouched"


def test_none_removes_a_member() -> None:
    stepped = LIGHT.step("a", {"_state": "On", "Level": 3}, Event("Press"), 2.0)
    assert stepped is not None
    assert "Level" not in stepped[0]


def test_an_impossible_event_raises_with_the_story() -> None:
    doc = LIGHT.begin({}, 1.0)
    with pytest.raises(ImpossibleTransition, match=r"Light a: no Explode in state Off \(so far: Off\[1.0\]\)"):
        LIGHT.step("a", doc, Event("Explode"), 2.0)


def test_an_ignored_event_changes_nothing() -> None:
    assert LIGHT.step("a", {"_state": "Broken"}, Event("Press"), 2.0) is None


def test_two_rules_for_one_event_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="two rules for Press in Off"):
        Lifecycle("X", start="Off", final=(), table={("Off", "Press"): ignore, (("Off", "On"), "Press"): ignore})


def test_history_is_bounded() -> None:
    doc = LIGHT.begin({}, 0.0)
    for n in range(200):
        stepped = LIGHT.step("a", doc, Event("Press"), float(n))
        assert stepped is not None
        doc = stepped[0]
    assert len(doc["_history"]) == 40
    assert Move("x").changes == {}
