"""Keys of workspaces: given with the task, replaced in time, by every server that finds one with old ones."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from sagewright.gateway.answer import Answer, Broken
from sagewright.slices.studio_apps.keys import CONFIG, FILE, LASTS, RENEW, Keys
from sagewright.slices.studio_apps.table import name_of
from sagewright.stores.identity import Credentials

ARN, ROLE = "arn:aws:sagemaker:us-east-1:123456789012:app/d/s/jupyterlab/default", "arn:aws:iam::123456789012:role/R"


class Scene:
    """A platform, a workspace that takes keys, and a job of it."""

    def __init__(self) -> None:
        self.now, self.made = 1_000_000.0, 0
        self.sent: list[tuple[str, dict[str, Any]]] = []
        self.taken: list[dict[str, Any]] = []
        self.broken = False
        self.platform: Any = SimpleNamespace(clock=lambda: self.now, identity=self)
        self.table: Any = SimpleNamespace(get=lambda name: SimpleNamespace(worker=self) if name == name_of(ARN) else None)
        self.job: Any = SimpleNamespace(record=SimpleNamespace(scope="123456789012/eu-west-1"), send=self.send)

    async def role_credentials(self, role: str, session: str, seconds: float) -> Credentials:
        self.made += 1
        return Credentials(f"ASIA{self.made}", "secret", "token", self.now + seconds)

    async def send(self, name: str, **data: Any) -> None:
        self.sent.append((name, data))

    async def request(self, method: str, path: str, headers: dict[str, str], body: bytes, *, seconds: float) -> Answer:
        if self.broken:
            raise Broken("gone")
        self.taken.append(json.loads(body))
        return Answer(204, {})


@pytest.fixture
def scene() -> Scene:
    return Scene()


async def test_a_task_begins_with_keys_that_clients_read_from_a_file(scene: Scene) -> None:
    files = await Keys(scene.platform, scene.table).files(scene.job, "t", ARN, ROLE, "SageMaker")
    assert files[CONFIG] == f"[default]\nregion = eu-west-1\ncredential_process = cat {FILE}\n"
    said = json.loads(files[FILE])
    assert (said["Version"], said["AccessKeyId"]) == (1, "ASIA1")
    assert said["Expiration"] == "1970-01-12T19:46:40+00:00"
    assert scene.sent == [("Keyed", {"Task": "t", "Key": "ASIA1"})]  # written down, to be revoked with the task


async def test_keys_are_replaced_when_half_of_their_time_is_over(scene: Scene) -> None:
    keys = Keys(scene.platform, scene.table)
    await keys.files(scene.job, "t", ARN, ROLE, "SageMaker")
    scene.now += LASTS - RENEW - 1
    await keys.renew(scene.job, "t", ARN, ROLE, "SageMaker")
    assert scene.taken == []
    scene.now += 2
    await keys.renew(scene.job, "t", ARN, ROLE, "SageMaker")
    await keys.renew(scene.job, "t", ARN, ROLE, "SageMaker")
    assert [one["AccessKeyId"] for one in scene.taken] == ["ASIA2"]
    assert [data["Key"] for _, data in scene.sent] == ["ASIA1", "ASIA2"]


async def test_a_new_server_gives_new_keys_and_asks_again_where_nobody_answers(scene: Scene) -> None:
    keys = Keys(scene.platform, scene.table)
    scene.broken = True
    await keys.renew(scene.job, "t", ARN, ROLE, "SageMaker")
    scene.broken = False
    await keys.renew(scene.job, "t", ARN, ROLE, "SageMaker")
    assert [one["AccessKeyId"] for one in scene.taken] == ["ASIA2"]
    await keys.renew(scene.job, "t", "arn:of:another", ROLE, "SageMaker")
    assert len(scene.taken) == 1
