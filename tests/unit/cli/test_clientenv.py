"""The client environment: what it says, what it writes, and that real botocore obeys it."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import ssl
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sagewright.cli import certificates
from sagewright.cli.certificates import ensure, server_context
from sagewright.cli.clientenv import applied, client_environment, endpoints_document, shell_lines, stale_variables
from sagewright_container.clientshim import gives_way


def made(data: Path, endpoint: str = "http://127.0.0.1:4566", **more: Any) -> dict[str, str]:
    more.setdefault("environ", {})
    return client_environment(
        data, endpoint, region="us-east-1", account="123456789012", access_key="AKIA", secret_key="s", **more
    )


def python(found: dict[str, str], code: str, **more: str) -> str:
    environ = applied(found, {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "PYTHON"))})
    done = subprocess.run([sys.executable, "-c", code], env={**environ, **more}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


STS = "import boto3; print(boto3.client('sts', endpoint_url='https://sts.us-east-1.amazonaws.com').meta.endpoint_url)"


def test_what_it_says(tmp_path: Path) -> None:
    found = made(tmp_path, role_arn="arn:r")
    assert found["AWS_ENDPOINT_URL"] == "http://127.0.0.1:4566"
    assert found["AWS_DEFAULT_REGION"] == found["AWS_REGION"] == "us-east-1"
    assert found["SAGEWRIGHT_ROLE_ARN"] == "arn:r"
    assert "AWS_CA_BUNDLE" not in found
    config = Path(found["SAGEMAKER_USER_CONFIG_OVERRIDE"]).read_text()
    assert "DefaultS3Bucket: sagemaker-us-east-1-123456789012" in config
    assert "TelemetryOptOut: true" in config


def test_the_users_python_path_stays(tmp_path: Path) -> None:
    once = made(tmp_path, environ={"PYTHONPATH": "/mine"})["PYTHONPATH"]
    assert once.split(os.pathsep)[1:] == ["/mine"]
    assert made(tmp_path, environ={"PYTHONPATH": once})["PYTHONPATH"] == once


def test_stale_variables_go(tmp_path: Path) -> None:
    environ = {"AWS_SESSION_TOKEN": "x", "AWS_PROFILE": "p", "AWS_ENDPOINT_URL_S3": "http://else", "HOME": "/h"}
    assert stale_variables(environ) == ["AWS_ENDPOINT_URL_S3", "AWS_PROFILE", "AWS_SESSION_TOKEN"]
    found = applied(made(tmp_path, session_token="mine"), environ)
    assert found["AWS_SESSION_TOKEN"] == "mine"
    assert "AWS_PROFILE" not in found
    assert found["HOME"] == "/h"


def test_a_proxy_is_bypassed(tmp_path: Path) -> None:
    assert "NO_PROXY" not in made(tmp_path)
    found = made(tmp_path, "http://box.lan:4566", environ={"HTTPS_PROXY": "http://proxy", "NO_PROXY": "a,localhost"})
    assert found["NO_PROXY"].split(",") == ["a", "localhost", "127.0.0.1", "::1", "box.lan"]


def test_shell_lines_survive_any_value(tmp_path: Path) -> None:
    found = {**made(tmp_path), "AWS_SECRET_ACCESS_KEY": "a'b $(c)"}
    script = shell_lines(found, {"AWS_PROFILE": "p"}) + 'printf %s "$AWS_SECRET_ACCESS_KEY|${AWS_PROFILE-none}"'
    done = subprocess.run(["sh", "-c", script], env={"AWS_PROFILE": "p"}, capture_output=True, text=True, check=True)
    assert done.stdout == "a'b $(c)|none"
    assert all(len(shlex.split(line)) == 2 for line in shell_lines(found, {}).splitlines())


def test_the_fixed_sts_address_gives_way(tmp_path: Path) -> None:
    found = made(tmp_path)
    assert python(found, STS) == "http://127.0.0.1:4566"
    # without the endpoint variable the shim does nothing
    assert python({**found, "AWS_ENDPOINT_URL": ""}, STS) == "https://sts.us-east-1.amazonaws.com"
    other = STS.replace("https://sts.us-east-1.amazonaws.com", "http://minio.lan:9000")
    assert python(found, other) == "http://minio.lan:9000"


def test_other_services_and_all_models_are_still_found(tmp_path: Path) -> None:
    code = (
        "import boto3, json; s = boto3.Session(); "
        "print(json.dumps([len(s.get_available_services()), s.client('sagemaker-runtime').meta.endpoint_url, s.client('s3').meta.endpoint_url]))"
    )
    services, *urls = json.loads(python(made(tmp_path), code))
    assert services > 300
    assert urls == ["http://127.0.0.1:4566"] * 2


def test_a_sitecustomize_of_the_users_still_runs(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "sitecustomize.py").write_text("import sys; sys.theirs = 1")
    found = made(tmp_path / "data", environ={"PYTHONPATH": str(tmp_path / "theirs")})
    assert python(found, "import sys; print(sys.theirs)") == "1"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://sts.eu-west-1.amazonaws.com", True), ("https://sts.cn-north-1.amazonaws.com.cn/", True),
        ("https://sts.amazonaws.com", True), ("https://s3.us-east-1.api.aws", True), (None, False), ("", False),
        ("http://127.0.0.1:4566", False), ("https://amazonaws.com.evil.org", False), ("https://sts.amazonaws.com/path", False),
    ],
)  # fmt: skip
def test_what_gives_way(url: str | None, expected: bool) -> None:
    assert gives_way(url, {"AWS_ENDPOINT_URL": "http://127.0.0.1:4566"}) is expected
    assert not gives_way(url, {})
    assert not gives_way(url, {"AWS_ENDPOINT_URL": "https://sagemaker.us-east-1.amazonaws.com"})


def test_the_endpoints_document_moves_sts_and_nothing_else(tmp_path: Path) -> None:
    models = tmp_path / ".aws" / "models"
    models.mkdir(parents=True)
    (models / "endpoints.json").write_text(endpoints_document("127.0.0.1:4566"))
    code = (
        "import botocore.loaders as l, botocore.regions as r; e = r.EndpointResolver(l.create_loader().load_data('endpoints'));"
        "print(*[e.construct_endpoint(s, g)['hostname'] for s in ('sts', 'ecr') for g in ('us-east-1', 'cn-north-1')])"
    )
    plain = python({}, code, HOME=str(tmp_path / "nobody")).split()
    assert plain[:2] == ["sts.us-east-1.amazonaws.com", "sts.cn-north-1.amazonaws.com.cn"]
    assert python({}, code, HOME=str(tmp_path)).split() == ["127.0.0.1:4566"] * 2 + plain[2:]


# -- certificates


def shake(tmp_path: Path, name: str, trusted: Path, chain: certificates.Certificates) -> None:
    """A TLS handshake in memory, the client checking ``name``."""
    client = ssl.create_default_context(cafile=str(trusted))
    here, there, back, forth = ssl.MemoryBIO(), ssl.MemoryBIO(), ssl.MemoryBIO(), ssl.MemoryBIO()
    server = server_context(chain.certificate, chain.key).wrap_bio(there, back, server_side=True)
    asking = client.wrap_bio(here, forth, server_hostname=name)
    for side, source, sink in [(asking, forth, there), (server, back, here)] * 3:
        with contextlib.suppress(ssl.SSLWantReadError):
            side.do_handshake()
        sink.write(source.read())
    assert asking.version() == "TLSv1.3"


def test_the_certificate_is_trusted_under_every_local_name(tmp_path: Path) -> None:
    chain = ensure(tmp_path, ["box.lan", "0.0.0.0"])
    for name in ("127.0.0.1", "::1", "localhost", "box.lan"):
        shake(tmp_path, name, chain.authority, chain)
    with pytest.raises(ssl.SSLCertVerificationError):
        shake(tmp_path, "sts.amazonaws.com", chain.authority, chain)
    for key in (chain.key, tmp_path / "tls" / "ca.key"):
        assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_certificates_stay_until_they_have_to_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chain = ensure(tmp_path)
    authority, server = chain.authority.read_bytes(), chain.certificate.read_bytes()
    ensure(tmp_path)
    assert chain.certificate.read_bytes() == server
    ensure(tmp_path, ["new.lan"])
    assert chain.certificate.read_bytes() != server
    server = chain.certificate.read_bytes()

    class Later(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.now(UTC) + timedelta(days=certificates.SERVER_DAYS - certificates.RENEW_DAYS + 1)

    monkeypatch.setattr(certificates, "datetime", Later)
    ensure(tmp_path, ["new.lan"])
    assert chain.certificate.read_bytes() != server
    assert chain.authority.read_bytes() == authority
    chain.authority.write_text("damaged")
    ensure(tmp_path)
    assert chain.authority.read_bytes() != authority
    monkeypatch.undo()


def test_an_https_client_trusts_us_and_the_public_roots(tmp_path: Path) -> None:
    chain = ensure(tmp_path)
    found = made(tmp_path, "https://127.0.0.1:4566", authority=chain.authority)
    bundle = Path(found["AWS_CA_BUNDLE"])
    assert bundle.read_text().startswith(chain.authority.read_text())
    assert bundle.read_text().count("BEGIN CERTIFICATE") > 50
    shake(tmp_path, "127.0.0.1", bundle, chain)
    assert found["NODE_EXTRA_CA_CERTS"] == str(chain.authority)
