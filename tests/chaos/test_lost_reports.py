"""Agents announce their reports by datagrams, which get lost when the server has no time to take them in."""

from __future__ import annotations

from sagewright.agent.layout import socket_folder

from .conftest import Chaos


def test_a_job_whose_every_announcement_is_lost_still_ends(chaos: Chaos) -> None:
    (socket_folder(chaos.data) / "server.sock").unlink()
    job = chaos.jobs.ended(chaos.jobs.train("print('ran')"))
    assert job["TrainingJobStatus"] == "Completed"
    assert [t["Status"] for t in job["SecondaryStatusTransitions"]] == ["Starting", "Downloading", "Training", "Uploading", "Completed"]
    chaos.settled()
