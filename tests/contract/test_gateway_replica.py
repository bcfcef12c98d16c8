"""Further gateways beside a server: they answer for it, follow it, and outlive it and one another."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from sagewright.bootstrap.replica import COMPLETE
from sagewright.gateway.gate import TRUST
from sagewright.testing.models import Models
from sagewright.testing.names import unique
from sagewright.testing.postgres import Postgres, running
from sagewright.testing.server import TestServer
from sagewright.testing.signed import Connection, request
from sagewright.testing.waiting import until


class Replica:
    """A gateway process; ``place`` is for tests what a server of its address would be."""

    def __init__(self, server: TestServer) -> None:
        environ = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "SAGEWRIGHT_"))}
        environ |= {f"SAGEWRIGHT_{name.upper()}": value for name, value in server.settings.items()}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "sagewright", "gateway", "--data", str(server.data)], env=environ, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout
        said = self.process.stdout.readline()
        assert said.startswith("A gateway answers at http://"), said
        self.place = replace(server, url=said.split()[-1])

    def ask(self, endpoint: str, body: bytes = b"x") -> int:
        """The status of one invocation on a connection of its own; 0 when nobody is there."""
        try:
            connection = Connection(self.place)
        except OSError:
            return 0
        with contextlib.closing(connection):
            reply = connection.exchange(request(self.place, f"/endpoints/{endpoint}/invocations", body))
        if " 200 " not in reply.status:
            print(self.place.url, time.monotonic(), reply.status, reply.body.decode())  # a failure's report shows who said what
        return int(reply.status.split(" ")[1]) if reply.status else 0

    def end(self) -> int:
        self.process.terminate()
        return self.process.wait(30)


@pytest.fixture
def postgres(request: pytest.FixtureRequest) -> Iterator[Postgres | None]:
    """PostgreSQL for the records; without the parameter SQLite."""
    with running() if getattr(request, "param", False) else contextlib.nullcontext() as found:
        yield found


both = pytest.mark.parametrize("postgres", [False, True], ids=["sqlite", "postgresql"], indirect=True)


@pytest.fixture
def own_server(tmp_path: Path, postgres: Postgres | None) -> Iterator[TestServer]:
    with TestServer(tmp_path / "data", {"records": postgres.url} if postgres else {}) as started:
        yield started


@pytest.fixture
def replicas(own_server: TestServer) -> Iterator[list[Replica]]:
    Models(own_server)  # the server has made its keys
    made = [Replica(own_server) for _ in range(2)]
    yield made
    for one in made:
        one.process.kill()
        one.process.wait()


@both
def test_they_answer_without_the_server_and_without_one_another(own_server: TestServer, replicas: list[Replica]) -> None:
    models = Models(own_server)
    name = models.deploy()  # after they had begun
    one, other = replicas
    describe = one.place.client("sagemaker").describe_endpoint
    assert describe(EndpointName=name)["EndpointStatus"] == "InService", "what is no invocation is passed on"
    own_server.kill()
    for replica in replicas:
        until(lambda replica=replica: replica.ask(name) == 200)  # type: ignore[misc]
    with pytest.raises(ClientError) as caught:
        describe(EndpointName=name)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503

    lost = answered = 0
    for number in range(100):  # as a load balancer does: whoever is not there is left out
        if number == 30:
            one.process.kill()
            one.process.wait()  # what is under way at that moment may break: whoever comes then is told at once that nobody is there
        status = next((status for replica in replicas if (status := replica.ask(name, b"x" * number))), 0)
        answered, lost = answered + (status == 200), lost + (status != 200)
    assert (answered, lost) == (100, 0)
    assert other.ask("none") == 503, "who is to say what is wrong is away"

    own_server.start()
    assert other.ask("none") == 400
    other.place.client("sagemaker").delete_endpoint(EndpointName=name)
    until(lambda: other.ask(name) == 400)
    assert other.end() == 0


@both
def test_what_is_wrong_the_server_says_and_permissions_end(own_server: TestServer, replicas: list[Replica]) -> None:
    name = Models(own_server).deploy()
    one = replicas[0]
    until(lambda: one.ask(name) == 200)
    iam, user = own_server.client("iam"), unique("caller")
    iam.create_user(UserName=user)
    about = iam.create_access_key(UserName=user)["AccessKey"]
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sagemaker:InvokeEndpoint", "Resource": "*"}]}

    def status(secret: str = about["SecretAccessKey"]) -> tuple[int, str]:
        with contextlib.closing(Connection(one.place)) as connection:
            raw = request(one.place, f"/endpoints/{name}/invocations", b"x", keys=(about["AccessKeyId"], secret))
            reply = connection.exchange(raw)
            return int(reply.status.split(" ")[1]), reply.header("x-amzn-errortype")

    assert status() == (403, "AccessDeniedException")
    iam.put_user_policy(UserName=user, PolicyName="p", PolicyDocument=json.dumps(policy))
    assert status() == (200, "")
    assert status("x" * 40) == (403, "InvalidSignatureException")
    iam.delete_user_policy(UserName=user, PolicyName="p")
    began = time.monotonic()
    until(lambda: status() == (403, "AccessDeniedException"))
    assert time.monotonic() - began < 30
    iam.delete_access_key(UserName=user, AccessKeyId=about["AccessKeyId"])
    until(lambda: status() == (403, "UnrecognizedClientException"))
    iam.delete_user(UserName=user)


@pytest.mark.parametrize("postgres", [True], ids=["postgresql"], indirect=True)
def test_what_is_known_is_answered_without_the_records(own_server: TestServer, postgres: Postgres, replicas: list[Replica]) -> None:
    models = Models(own_server)
    name = models.deploy()
    own_server.kill()
    for replica in replicas:
        until(lambda replica=replica: replica.ask(name) == 200)  # type: ignore[misc]
    postgres.stop()
    end = time.monotonic() + 2 * COMPLETE + TRUST
    while time.monotonic() < end:  # longer than what is known of a key or an endpoint is believed unasked
        assert [replica.ask(name) for replica in replicas] == [200, 200]
    postgres.start()
    own_server.start()
    another = Models(own_server).deploy()
    for replica in replicas:
        until(lambda replica=replica: replica.ask(another) == 200)  # type: ignore[misc]
