"""What CreateModel demands of several containers, and the one task that they become."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from sagewright.adapters.ray import hosts
from sagewright.adapters.ray.policy import policy
from sagewright.agent.layout import dump_task, load_task
from sagewright.gateway import multimodel
from sagewright.gateway.containers import containers, kept, names
from sagewright.gateway.instances import instance
from sagewright.gateway.routes import Variant
from sagewright.resources.platform import Platform
from sagewright.runtime.lifecycle import Event
from sagewright.slices.hosting import containers as several
from sagewright.slices.hosting.lifecycle import LIFECYCLE
from sagewright.stores.compute import Input, Limits, Task
from sagewright.stores.images import UnknownImage
from sagewright.wire.errors import Invalid, ServiceError


def unknown(uri: str) -> None:
    raise UnknownImage(uri)


PLATFORM = cast(Platform, SimpleNamespace(images=SimpleNamespace(resolve=unknown)))
A, B = {"Image": "a:1", "Environment": {"A": "1"}}, {"Image": "b:1", "ModelDataUrl": "s3://bucket/b.tar.gz"}


def checked(*given: dict[str, Any], **more: Any) -> dict[str, Any]:
    doc = dict(more)
    several.check(PLATFORM, doc, list(given))
    return doc


def test_the_mode_is_filled_in_for_several_only() -> None:
    assert checked(A) == {}
    assert checked(A, B) == {"InferenceExecutionConfig": {"Mode": "Serial"}}
    assert checked(*[A] * 15)
    with pytest.raises(Invalid, match="at most 15"):
        checked(*[A] * 16)


def test_what_a_deployment_keeps() -> None:
    assert kept({}, [A]) == {}
    serial = kept({}, [A, {**B, "ContainerHostname": "mine"}])
    assert serial["Mode"] == "Serial"
    assert names(serial) == ["container-1", "mine"]
    assert kept({"InferenceExecutionConfig": {"Mode": "Direct"}}, [A, B])["Mode"] == "Direct"
    assert containers({"Container": A}) == [A]
    assert containers({"Container": A, **serial}) == serial["Containers"]


def test_an_instance_is_one_task_with_a_task_a_container() -> None:
    made = Task(
        id="serve-1", kind="serve", image="a:1", argv=["serve"], env={"KEY": "k", "A": "1"}, inputs=[Input("/opt/ml/model", "s3://bucket/x")],
        limits=Limits(memory=10, grace=30.0), log_group="g", log_stream="v/i-1", usage_namespace="n",
        usage_dimensions={"EndpointName": "e", "VariantName": "v"}, workers=2,
    )
    assert instance(made, {"Container": A}, "ml.m5.large", env={"KEY": "k"}) is made
    about = {"Container": A, **kept({}, [A, B])}
    task = instance(made, about, "ml.m5.large", env={"KEY": "k"}, more={"MORE": "m"}, most=1)
    assert (task.id, task.inputs, task.env, task.log_stream, task.limits) == ("serve-1", [], {}, "v/i-1", made.limits)
    first, second = task.containers
    assert (first.id, first.image, first.hostname, first.log_stream) == ("serve-1.0", "a:1", "container-1", "v/i-1/container-1")
    assert (second.id, second.image, second.hostname, second.workers) == ("serve-1.1", "b:1", "container-2", 1)
    assert [one.uri for one in second.inputs] == ["s3://bucket/b.tar.gz"]
    assert first.inputs == []
    assert first.env == {"KEY": "k", "A": "1", "MORE": "m", "SAGEMAKER_BIND_TO_PORT": "8081", "SAGEMAKER_SAFE_PORT_RANGE": "21000-21099"}
    assert second.env["SAGEMAKER_BIND_TO_PORT"] == "8082"
    assert second.usage_dimensions == {"EndpointName": "e", "VariantName": "v", "ContainerName": "container-2"}
    assert load_task(dump_task(task)) == task, "an agent reads what was written"


def test_the_container_of_many_models_gets_its_share_of_the_memory_and_no_files() -> None:
    many = {"Image": "m:1", "Mode": "MultiModel", "ModelDataUrl": "s3://bucket/many"}
    made = Task(id="serve-1", kind="serve", image="m:1", argv=["serve"], models={"bucket": "bucket"}, limits=Limits(memory=10, grace=30.0))
    task = instance(made, {"Container": many, **kept({}, [many, A])}, "ml.m5.large", env={})
    first, second = task.containers
    alone = multimodel.models(many, "ml.m5.large")
    assert (task.models, second.models) == ({}, {})
    assert first.models == {**alone, "memory": alone["memory"] // 2}
    assert (first.models["prefix"], first.inputs, first.env["SAGEMAKER_MULTI_MODEL"]) == ("many/", [], "true")
    placed = hosts.placed(task, {"cpus": 1.0, "memory": 1000, "gpus": 0})
    assert placed.containers[0].models["memory"] == 800
    assert "arn:aws:s3:::bucket/many/*" in policy(task)


def test_where_requests_name_a_model() -> None:
    assert multimodel.many("/x/models.sock")
    assert multimodel.many('[["a", "/x/0/worker-0.sock"], ["b", "/x/1/models.sock"]]')
    assert not multimodel.many('[["a", "/x/0/worker-0.sock"], ["b", "/x/1/worker-0.sock"]]')
    several_of_them = {"Containers": [A, {"Mode": "MultiModel"}], "Container": A}
    with pytest.raises(Invalid, match="asynchronous endpoint cannot have a MultiModel"):
        multimodel.check_variant({"AsyncInferenceConfig": {}}, {"VariantName": "v"}, several_of_them)


def test_ready_sockets_become_one_address() -> None:
    doc: dict[str, Any] = {
        "_state": "InService", "_fleet": {"Config": "c", "Started": 0, "Variants": [], "Tasks": {"t": {"Variant": "v", "Phase": "Waiting", "Sockets": []}}},
        "EndpointName": "e",
    }
    ready = Event("Ready", {"Task": "t", "Sockets": ["/p", "/q"], "Containers": [["a", 1], ["b", 1]]})
    stepped = LIFECYCLE.step("e", doc, ready, 1.0)
    assert stepped
    assert stepped[0]["_fleet"]["Tasks"]["t"]["Sockets"] == ['[["a", "/p"], ["b", "/q"]]']


@pytest.mark.parametrize(("direct", "target", "said"), [
    (False, None, ""), (True, "a", ""), (True, None, "is required: endpoint e has the containers a, b"),
    (True, "c", "TargetContainerHostname c does not exist"), (False, "a", "cannot be given"),
])
def test_targets(direct: bool, target: str | None, said: str) -> None:
    variant = Variant("v", 1.0, "RANDOM", [], (), {}, containers=["a", "b"], direct=direct)
    if not said:
        several.check_target(variant, "e", target)
        return
    with pytest.raises(ServiceError, match=said) as caught:
        several.check_target(variant, "e", target)
    assert caught.value.code == "ValidationError"
