"""Updates under load: ten deployments of every kind, one after the other, while wrk asks at 70 % of what the endpoint can take.

    python benchmarks/updates.py [--updates 10] [--kills 4] [--gateways 10]

Sagewright alone: no peer has the like. Every request is signed; wrk counts whatever is not 2xx, broken or late. Then a process
that serves is killed every five seconds: only what was under way on it may fail. Then the gateway process is, as often: how
long until the next request is answered, by anybody, and how long until by a new gateway process.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import signal
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from sagewright.testing.models import Models
from sagewright.testing.server import TestServer
from sagewright.testing.steady import Steady
from sagewright.testing.waiting import until

CONNECTIONS, SHARE = 16, 0.7
FOUND = re.compile(r"FOUND (.*)")
SCRIPT = """
wrk.method, wrk.body, wrk.path = "POST", "1,2,3", %(path)s
wrk.headers = %(headers)s
local pause = %(pause)d
function delay() return pause end
function done(summary, latency)
  local e = summary.errors
  io.write(string.format('FOUND {"seconds": %%f, "requests": %%d, "status": %%d, "broken": %%d, "timeout": %%d, "p50": %%f, "p99": %%f}\\n',
    summary.duration / 1e6, summary.requests, e.status, e.connect + e.read + e.write, e.timeout,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000))
end
"""


class Load:
    """wrk, until it is told to stop."""

    def __init__(self, server: TestServer, endpoint: str, folder: Path, pause: int = 0) -> None:
        """``pause``: milliseconds that each connection waits between two requests."""
        path = f"/endpoints/{endpoint}/invocations"
        request = AWSRequest("POST", server.url + path, {"Content-Type": "text/csv"}, "1,2,3")
        keys = server.credentials()
        SigV4Auth(Credentials(keys["access_key"], keys["secret_key"]), "sagemaker", "us-east-1").add_auth(request)
        fields = {**{k: str(v) for k, v in request.headers.items()}, "Host": server.url.split("/")[2]}
        headers = "{" + ", ".join(f"[{json.dumps(k)}]={json.dumps(v)}" for k, v in fields.items()) + "}"
        script = folder / "load.lua"
        script.write_text(SCRIPT % {"path": json.dumps(path), "headers": headers, "pause": pause})
        command = ["wrk", "-t1", f"-c{CONNECTIONS}", "-d1h", "--timeout", "30s", "--latency", "-s", str(script), server.url]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def stop(self) -> dict[str, Any]:
        self.process.send_signal(signal.SIGINT)
        out, _ = self.process.communicate(timeout=60)
        found = FOUND.search(out)
        if found is None:
            raise SystemExit(f"wrk failed: {out}")
        said: dict[str, Any] = json.loads(found[1])
        return said


def policies() -> list[tuple[str, dict[str, Any] | None]]:
    def bluegreen(kind: str, **more: Any) -> dict[str, Any]:
        return {"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": {"Type": kind, "WaitIntervalInSeconds": 1, **more}}}

    half = {"Type": "CAPACITY_PERCENT", "Value": 50}
    return [
        ("all at once", None),
        ("canary", bluegreen("CANARY", CanarySize={"Type": "CAPACITY_PERCENT", "Value": 10})),
        ("linear", bluegreen("LINEAR", LinearStepSize=half)),
        ("rolling", {"RollingUpdatePolicy": {"MaximumBatchSize": half, "WaitIntervalInSeconds": 1}}),
        ("weights", {}),
    ]


def updated(models: Models, endpoint: str, configs: list[str], policy: dict[str, Any] | None, count: int) -> None:
    """``count`` updates in a row."""
    for n in range(count):
        if policy == {}:
            time.sleep(0.5)  # it would be over before wrk has begun
            change = [{"VariantName": v, "DesiredWeight": float(1 + (n + k) % 3)} for k, v in enumerate(("v0", "v1"))]
            models.sagemaker.update_endpoint_weights_and_capacities(EndpointName=endpoint, DesiredWeightsAndCapacities=change)
        else:
            now = models.sagemaker.describe_endpoint(EndpointName=endpoint)["EndpointConfigName"]
            given = {"DeploymentConfig": policy} if policy else {}
            models.sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName=configs[now == configs[0]], **given)
        about = models.settled(endpoint, 300)
        if about["EndpointStatus"] != "InService" or "FailureReason" in about:
            raise SystemExit(f"the update failed: {about}")


def serving(server: TestServer) -> list[psutil.Process]:
    """The processes that answer: those that listen on a worker's socket."""
    return [p for p in server.processes() if any("/worker-" in str(c.laddr) for c in p.net_connections("unix"))]


def show(name: str, said: dict[str, Any], seconds: float, what: str) -> None:
    bad = said["status"] + said["broken"] + said["timeout"]
    print(
        f"{name:12} {what} in {seconds:5.1f} s, {said['requests']:7d} requests at {said['requests'] / said['seconds']:6.0f}/s, "
        f"p50/p99 {said['p50']:.2f}/{said['p99']:.2f} ms, failed {bad}{f' {said}' if bad else ''}", flush=True,
    )


def gateways(server: TestServer, endpoint: str, folder: Path, pause: int, count: int) -> None:
    """Kill the gateway process every five seconds; a few connections besides wrk's, which open again at once, see what it costs."""
    assert server.process
    load, began = Load(server, endpoint, folder, pause), time.monotonic()
    next_answer, back, fresh = [], [], 0
    with Steady(server, endpoint, b"1,2,3") as seen:
        for _ in range(count):
            time.sleep(5)  # as often as that
            [process] = [p for p in psutil.Process(server.process.pid).children() if "sagewright.gateway.process" in p.cmdline()]
            killed = time.monotonic()
            process.kill()
            until(lambda: [one for one in seen.after(killed) if one.gateway])  # noqa: B023
            found = seen.after(killed)
            next_answer.append(next(one.ended - killed for one in found if one.status == 200))
            back.append(next(one.ended - killed for one in found if one.gateway))
            fresh += sum(1 for one in found if one.fresh and one.status != 200)
    show("gateway", load.stop(), time.monotonic() - began, f"{count} SIGKILLs")
    for what, seconds in (("the next answer", next_answer), ("the next of the gateway's", back)):
        print(f"{'':12} {what} after {statistics.median(seconds) * 1000:.0f} ms (p50), {max(seconds) * 1000:.0f} ms (max)")
    print(f"{'':12} connections opened meanwhile that got no answer: {fresh}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--updates", type=int, default=10, help="of each kind")
    parser.add_argument("--kills", type=int, default=4, help="of a process that serves")
    parser.add_argument("--gateways", type=int, default=10, help="kills of the gateway process")
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="sagewright-bench-"))
    with TestServer(folder / "data") as server:
        models = Models(server)
        model = models.model()
        configs = [models.config(model, model, count=2) for _ in range(2)]
        endpoint = models.endpoint(configs[0])
        models.settled(endpoint)
        load = Load(server, endpoint, folder)
        time.sleep(5)  # the measurement itself
        full = load.stop()
        most = full["requests"] / full["seconds"]
        pause = max(1, round(1000 * CONNECTIONS / (SHARE * most) - full["p50"]))
        print(f"{most:.0f} requests/s at most with {CONNECTIONS} connections; each waits {pause} ms between two from now on")
        for name, policy in policies() if args.updates else ():
            load, began = Load(server, endpoint, folder, pause), time.monotonic()
            updated(models, endpoint, configs, policy, args.updates)
            show(name, load.stop(), time.monotonic() - began, f"{args.updates} updates")
        if args.kills:
            load, began = Load(server, endpoint, folder, pause), time.monotonic()
            for _ in range(args.kills):
                time.sleep(5)  # as often as that
                random.choice(serving(server)).kill()
            time.sleep(2)
            show("kills", load.stop(), time.monotonic() - began, f"{args.kills} SIGKILLs")
        if args.gateways:
            gateways(server, endpoint, folder, pause, args.gateways)


if __name__ == "__main__":
    main()
