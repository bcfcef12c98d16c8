"""Workspaces: JupyterLab in a space, behind an origin of its own, doing real work; strangers stay outside."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
from botocore.exceptions import ClientError
from websockets.exceptions import InvalidStatus

from sagewright.testing.browser import Browser, execute
from sagewright.testing.names import unique
from sagewright.testing.processes import living
from sagewright.testing.server import TestServer
from sagewright.testing.studio import BASE, SLOW, Team
from sagewright.testing.waiting import until

pytestmark = pytest.mark.xdist_group("workspaces")
POLICY_START = "default-src 'self' data: blob:; script-src"


def kernel(browser: Browser) -> str:
    page = browser.ask("POST", f"{BASE}api/kernels", {"name": "python3"})
    assert page.status == 201, page
    return str(page.json()["id"])


def run(browser: Browser, code: str, timeout: float = 60.0) -> str:
    """What a cell printed, in a kernel of its own."""
    which = kernel(browser)
    try:
        return execute(browser, BASE, which, code, timeout)
    finally:
        browser.ask("DELETE", f"{BASE}api/kernels/{which}")


def processes(domain: str) -> list[psutil.Process]:
    """Everything that runs in workspaces of a domain, kernels included."""
    return living(lambda p: p.environ().get("SAGEMAKER_DOMAIN_ID") == domain)


@pytest.fixture(scope="module")
def team(server: TestServer) -> Team:
    return Team(server)


@dataclass
class Lab:
    """A running app, and its owner in front of it."""

    team: Team
    owner: str
    space: str
    browser: Browser


@pytest.fixture(scope="module")
def lab(team: Team) -> Iterator[Lab]:
    owner = team.profile()
    space = team.space(owner)
    app = team.start(space)
    assert app["Status"] == "InService", app
    yield Lab(team, owner, space, team.browser(space, owner))
    team.sagemaker.delete_app(**team.where(space))


TRAIN = """
import io, numpy, sagemaker
from sagemaker.estimator import Estimator
from sagemaker.inputs import TrainingInput
from sagemaker.serializers import CSVSerializer
session, role = sagemaker.Session(), sagemaker.get_execution_role()
points = numpy.random.default_rng(1).normal(size=(200, 2))
table = numpy.column_stack([points[:, 0] > 0, points])
numpy.savetxt("train.csv", table, delimiter=",", fmt="%.5f")
data = session.upload_data("train.csv", key_prefix="notebook")
image = sagemaker.image_uris.retrieve("xgboost", session.boto_region_name, "1.7-1")
estimator = Estimator(
    image, role, instance_count=1, instance_type="ml.m5.large", sagemaker_session=session, output_path=data.rsplit("/", 1)[0] + "/out",
    hyperparameters={"objective": "binary:logistic", "num_round": 10},
)
estimator.fit({"train": TrainingInput(data, content_type="text/csv")}, logs=False)
predictor = estimator.deploy(1, "ml.m5.large", serializer=CSVSerializer())
answer = predictor.predict([[2.0, 0.0], [-2.0, 0.0]]).decode()
high, low = [float(x) for x in answer.replace("\\n", ",").strip(",").split(",")]
predictor.delete_endpoint()
print("\\nRESULT", high > 0.8 > 0.2 > low, role)
"""


def test_a_cell_trains_and_deploys_with_the_sdk(lab: Lab) -> None:
    """The SDK finds region, endpoint, credentials and role by itself, as AWS's notebooks expect."""
    said = run(lab.browser, TRAIN, SLOW)
    assert f"RESULT True {lab.team.role}" in said


def test_what_a_notebook_finds_around_it(lab: Lab) -> None:
    code = (
        "import boto3, json, os\n"
        "about = json.load(open('/opt/ml/metadata/resource-metadata.json'))\n"
        "who = boto3.client('sts').get_caller_identity()['Arn']\n"
        "import subprocess\n"
        "print(json.dumps([about, who, os.getcwd(), os.path.expanduser('~'), sorted(k for k in os.environ if 'SECRET' in k)]))"
    )
    about, who, folder, home, secrets = json.loads(run(lab.browser, code))
    assert about["DomainId"] == lab.team.domain
    assert about["SpaceName"] == lab.space
    assert about["ResourceArn"] == lab.team.app(lab.space)["AppArn"]
    assert ":assumed-role/" in who
    assert folder == home == "/home/sagemaker-user"
    assert secrets == []  # keys are where clients read them anew, not where they would grow old
    assert lab.browser.ask("GET", f"{BASE}api/me").json()["identity"]["username"] == f"{lab.team.domain}/{lab.owner}"


def test_code_reaches_neither_the_server_nor_another_home(lab: Lab, server: TestServer) -> None:
    paths = [str(server.data), str(server.data / "credentials.json"), str(server.data / "volumes"), "/root", "/etc/shadow"]
    code = (
        "import os, json\n"
        f"seen = [p for p in {paths!r} if os.path.exists(p)]\n"
        "def written(p):\n"
        "    try:\n"
        "        open(p, 'w').close()\n"
        "        return True\n"
        "    except OSError:\n"
        "        return False\n"
        "pids = [p for p in os.listdir('/proc') if p.isdigit()]\n"
        "lines = [open(f'/proc/{p}/cmdline').read() for p in pids]\n"
        "print(json.dumps([seen, [p for p in ('/usr/x', '/etc/x', '/opt/sagewright/image/x', '/x') if written(p)], "
        "os.listdir('/home'), any('sagewright up' in l.replace(chr(0), ' ') for l in lines)]))"
    )
    seen, written, homes, server_seen = json.loads(run(lab.browser, code))
    assert seen == []
    assert written == []
    assert sorted(homes) == ["sagemaker-user", "sagewright"]
    assert server_seen is False


def test_pages_come_under_a_strict_policy_without_cookies(lab: Lab) -> None:
    page = lab.browser.ask("GET", f"{BASE}lab")
    assert page.status == 200
    policy = page.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'self'" in policy
    assert "*" not in policy
    assert "set-cookie" not in page.headers
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.headers["cross-origin-opener-policy"] == "same-origin"
    lab.browser.ask("PUT", f"{BASE}api/contents/page.html", {"type": "file", "format": "text", "content": "<script>1</script>"})
    shown = lab.browser.ask("GET", f"{BASE}files/page.html")
    assert shown.status == 200
    assert "sandbox" in shown.headers["content-security-policy"]
    assert POLICY_START in shown.headers["content-security-policy"]


def test_the_workspace_never_sees_the_session(lab: Lab) -> None:
    """In a shared space another user's code runs the server: a visitor's cookie must not come that far."""
    name, value = next(iter(lab.browser.cookies.items()))
    code = (
        "import http.client, json, os, socket\n"
        "print(any(" + repr(value) + " in open(f'/proc/{p}/environ').read() for p in os.listdir('/proc') if p.isdigit() and os.access(f'/proc/{p}/environ', os.R_OK)))"
    )
    assert run(lab.browser, code).strip() == "False"
    echoed = lab.browser.ask("GET", f"{BASE}api/status", X_Sagewright_User="somebody/else")
    assert name not in echoed.body.decode()
    assert lab.browser.ask("GET", f"{BASE}api/me", X_Sagewright_User="somebody/else").json()["identity"]["username"].endswith(lab.owner)


def test_strangers_are_refused(lab: Lab) -> None:
    stranger = Browser(lab.browser.url)
    assert stranger.ask("GET", f"{BASE}lab").status == 403
    assert stranger.ask("POST", f"{BASE}api/kernels", {}).status == 403
    assert Browser(lab.browser.url, {"sagewright-workspace": "e30.00"}).ask("GET", f"{BASE}lab").status == 403
    with pytest.raises(InvalidStatus, match="403"), stranger.socket(f"{BASE}terminals/websocket/1"):
        raise AssertionError("it is open")
    changed = dict(lab.browser.cookies)
    (name,) = changed
    text, _, seal = changed[name].partition(".")
    said = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    forged = base64.urlsafe_b64encode(json.dumps({**said, "Until": said["Until"] + 1}).encode()).decode().rstrip("=")
    assert Browser(lab.browser.url, {name: f"{forged}.{seal}"}).ask("GET", f"{BASE}lab").status == 403


def test_a_url_is_good_once(lab: Lab) -> None:
    url = lab.team.url(lab.space, lab.owner)
    Browser.opened(url)
    split = urlsplit(url)
    assert Browser(f"{split.scheme}://{split.netloc}").ask("GET", f"{split.path}?{split.query}").status == 403


def test_a_url_leads_to_the_page_that_it_names(lab: Lab) -> None:
    split = urlsplit(lab.team.url(lab.space, lab.owner, "first steps/one.ipynb"))
    page = Browser(f"{split.scheme}://{split.netloc}").ask("GET", f"{split.path}?{split.query}")
    assert page.headers["location"] == f"{BASE}lab/tree/first%20steps/one.ipynb"


def test_pages_of_other_sites_get_nothing(lab: Lab, server: TestServer) -> None:
    """Not even with the visitor's cookie: neither Studio's own page nor another workspace."""
    for origin in (server.url, "http://w-0123456789abcdef.localhost:1", "null", ""):
        with pytest.raises(InvalidStatus, match="403"), lab.browser.socket(f"{BASE}api/events/subscribe", origin=origin):
            raise AssertionError("it is open")
        if origin:
            assert lab.browser.ask("POST", f"{BASE}api/kernels", {}, Origin=origin).status == 403
    fetched = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "cors"}
    assert lab.browser.ask("GET", f"{BASE}api/contents", **fetched).status == 403
    assert lab.browser.ask("GET", f"{BASE}lab", **{**fetched, "Sec_Fetch_Mode": "navigate"}).status == 200


def test_names_and_paths_that_are_no_workspace(lab: Lab) -> None:
    for host, status in (("127.0.0.1", 421), ("localhost", 421), ("w-0123456789abcdef.localhost", 503), ("w-0123456789abcdef.example.com", 421)):
        port = urlsplit(lab.browser.url).port
        assert Browser(f"http://{host}:{port}", lab.browser.cookies).ask("GET", f"{BASE}lab").status == status
    for path in ("/ping", "/sagewright/credentials", f"{BASE}../sagewright/credentials", f"{BASE}%2e%2e/ping", "/_sagewright/health"):
        assert lab.browser.ask("PUT" if "credentials" in path else "GET", path).status == 404


def test_a_private_space_is_its_owners(lab: Lab) -> None:
    other = lab.team.profile()
    with pytest.raises(ClientError, match="private"):
        lab.team.url(lab.space, other)


def test_large_files_pass_in_both_directions(lab: Lab) -> None:
    content = base64.b64encode(bytes(range(256)) * (32 << 10)).decode()  # 8 MiB of bytes
    made = lab.browser.ask("PUT", f"{BASE}api/contents/large.bin", {"type": "file", "format": "base64", "content": content})
    assert made.status == 201
    assert lab.browser.ask("GET", f"{BASE}files/large.bin").body == bytes(range(256)) * (32 << 10)


def test_a_lifecycle_script_runs_before_the_app_and_a_bad_one_fails_it(team: Team) -> None:
    owner = team.profile()
    bad, good = unique("bad"), unique("good")
    scripts = {good: "#!/bin/bash\nset -e\necho preparing\necho 'made by the script' > ~/made.txt\n", bad: "echo trying\necho no such thing >&2\nexit 3\n"}
    arns = {
        name: team.sagemaker.create_studio_lifecycle_config(
            StudioLifecycleConfigName=name, StudioLifecycleConfigAppType="JupyterLab",
            StudioLifecycleConfigContent=base64.b64encode(text.encode()).decode(),
        )["StudioLifecycleConfigArn"]
        for name, text in scripts.items()
    }
    space = team.space(owner)
    failed = team.start(space, ResourceSpec={"InstanceType": "ml.t3.medium", "LifecycleConfigArn": arns[bad]})
    assert failed["Status"] == "Failed"
    assert "LifecycleConfigOnStart failed: exit code 3. Last log line: no such thing" in failed["FailureReason"]
    stream = f"{team.domain}/{space}/JupyterLab/default/LifecycleConfigOnStart"
    assert team.log(stream) == ["trying", "no such thing"]
    team.sagemaker.delete_app(**team.where(space))
    until(lambda: team.app(space)["Status"] == "Deleted")
    assert team.start(space, ResourceSpec={"InstanceType": "ml.t3.medium", "LifecycleConfigArn": arns[good]})["Status"] == "InService"
    assert team.log(stream)[-1] == "preparing"
    made = team.browser(space, owner).ask("GET", f"{BASE}files/made.txt")
    assert made.body == b"made by the script\n"
    team.sagemaker.delete_app(**team.where(space))


def test_the_home_outlives_the_app_and_a_killed_server_loses_nothing(own_server: TestServer) -> None:
    team = Team(own_server)
    owner = team.profile()
    space = team.space(owner)
    assert team.start(space)["Status"] == "InService"
    before = team.browser(space, owner)
    running = kernel(before)
    assert execute(before, BASE, running, "x = 41; open('kept', 'w').write('home'); print('set')") == "set\n"

    own_server.kill()
    own_server.start()
    team = Team(own_server)
    assert team.app(space)["Status"] == "InService"
    after = team.browser(space, owner)
    assert execute(after, BASE, running, "print(x + 1)") == "42\n"
    # the cookie of before is as good as it was
    assert Browser(after.url, before.cookies).ask("GET", f"{BASE}api/status").status == 200

    assert processes(team.domain)
    team.sagemaker.delete_app(**team.where(space))
    until(lambda: team.app(space)["Status"] == "Deleted", 60, lambda: str(team.app(space)))
    assert processes(team.domain) == []
    with pytest.raises(ClientError, match="not in service"):
        team.url(space, owner)
    assert Browser(after.url, after.cookies).ask("GET", f"{BASE}lab").status == 503
    (home,) = (p for p in Path(own_server.data / "volumes").iterdir() if p.name.startswith("studio-space"))
    assert (home / "kept").read_text() == "home"
    team.sagemaker.delete_space(DomainId=team.domain, SpaceName=space)
    until(lambda: not home.exists())


def test_activity_is_told(lab: Lab) -> None:
    """A look at the app is made when it comes into service, and later once a minute."""
    until(lambda: lab.team.app(lab.space).get("LastHealthCheckTimestamp"))
    assert lab.team.app(lab.space)["LastUserActivityTimestamp"] >= lab.team.app(lab.space)["CreationTime"]
