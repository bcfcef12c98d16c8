"""What points AWS clients at one Sagewright server: environment variables, and the few files they name.

``sagewright env`` prints this, ``sagewright exec`` runs a command with it. docs/how-to/point-clients.md explains each
variable; docs/decisions/004-sts-cure.md says why the SDKs' fixed STS address is met the way it is.
"""

from __future__ import annotations

import json
import os
import secrets
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path

from sagewright_container import clientshim

STALE = (
    "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN", "AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT",
)  # fmt: skip
"""Variables that would lead a client elsewhere, or make it sign with somebody else's session."""
_PROXIES = ("http_proxy", "https_proxy", "all_proxy")
_LOCAL = ("127.0.0.1", "localhost", "::1")


def client_environment(
    data: Path,
    endpoint: str,
    *,
    region: str,
    account: str,
    access_key: str,
    secret_key: str,
    session_token: str = "",
    role_arn: str = "",
    authority: Path | None = None,
    environ: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """The variables that a client needs; writes the files they name under ``<data>/client``.

    Args:
        data: the server's data directory.
        endpoint: base URL of the server, such as ``http://127.0.0.1:4566``.
        region: default region; has to be one that AWS has, the SDKs refuse others.
        account: the account id, for the name of the default bucket.
        access_key: with ``secret_key`` and ``session_token``: what to sign with.
        role_arn: the default execution role, exported as ``SAGEWRIGHT_ROLE_ARN`` for scripts that ask for one.
        authority: PEM of the CA that signed the server's certificate; needed for an https endpoint of a local CA.
        environ: the environment this is laid over; ``os.environ`` by default.
    """
    environ = os.environ if environ is None else environ
    folder = data.absolute() / "client"
    config = _write(folder / "sagemaker.yaml", _sdk_config(region, account))
    shim = _write(folder / "python" / "sitecustomize.py", Path(clientshim.__file__).read_text())
    found = {
        "AWS_ENDPOINT_URL": endpoint.rstrip("/"),
        "AWS_DEFAULT_REGION": region,  # boto3 reads this one ...
        "AWS_REGION": region,  # ... the JavaScript, Java and Go SDKs that one
        "AWS_ACCESS_KEY_ID": access_key,
        "AWS_SECRET_ACCESS_KEY": secret_key,
        "AWS_EC2_METADATA_DISABLED": "true",
        "SAGEMAKER_MLFLOW_CUSTOM_ENDPOINT": endpoint.rstrip("/"),  # the sagemaker-mlflow plugin's own name for it
        "SAGEMAKER_USER_CONFIG_OVERRIDE": str(config),
        "PYTHONPATH": _first(str(shim.parent), environ.get("PYTHONPATH", ""), os.pathsep),
    }
    if session_token:
        found["AWS_SESSION_TOKEN"] = session_token
    if role_arn:
        found["SAGEWRIGHT_ROLE_ARN"] = role_arn
    if endpoint.startswith("https:") and authority is not None:
        found["AWS_CA_BUNDLE"] = str(_write(folder / "ca-bundle.pem", authority.read_text() + _public_roots()))
        found["NODE_EXTRA_CA_CERTS"] = str(authority)
        found["MLFLOW_TRACKING_SERVER_CERT_PATH"] = found["AWS_CA_BUNDLE"]
    if any(environ.get(name) or environ.get(name.upper()) for name in _PROXIES):
        host = endpoint.split("://", 1)[-1].rsplit(":", 1)[0].strip("[]/")
        bypass = environ.get("NO_PROXY") or environ.get("no_proxy") or ""
        for address in (*_LOCAL, host):
            if address not in bypass.split(","):
                bypass = f"{bypass},{address}".strip(",")
        found["NO_PROXY"] = found["no_proxy"] = bypass
    return found


def stale_variables(environ: Mapping[str, str], keep: Iterable[str] = ()) -> list[str]:
    """Names set in ``environ`` that have to be unset, those in ``keep`` aside."""
    kept = set(keep)
    return sorted(
        name
        for name in environ
        if name not in kept and (name in STALE or name.startswith("AWS_ENDPOINT_URL_"))
    )


def applied(found: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, str]:
    """A whole environment for a child process: ``found`` over ``environ``, stale variables gone."""
    stale = set(stale_variables(environ, found))
    return {**{k: v for k, v in environ.items() if k not in stale}, **found}


def shell_lines(found: Mapping[str, str], environ: Mapping[str, str]) -> str:
    """Lines for ``eval`` in a POSIX shell."""
    lines = [f"unset {name}" for name in stale_variables(environ, found)]
    return "\n".join([*lines, *(f"export {name}={shlex.quote(value)}" for name, value in found.items())]) + "\n"


def endpoints_document(address: str) -> str:
    """botocore's endpoints.json with every STS address replaced by ``host:port``, for ``~/.aws/models/endpoints.json``.

    For places where ``PYTHONPATH`` cannot be set; needs HTTPS on that address. See point-clients.md for what else it
    then reaches.
    """
    import botocore

    document = json.loads((Path(botocore.__file__).parent / "data" / "endpoints.json").read_bytes())
    for partition in document["partitions"]:
        regions = partition["services"].get("sts", {}).get("endpoints", {})
        partition["services"]["sts"] = {
            "defaults": {"hostname": address, "protocols": ["https"], "variants": []},
            "endpoints": {name: {} for name, at in regions.items() if not at.get("deprecated")},
        }
    return json.dumps(document)


def _sdk_config(region: str, account: str) -> str:
    return f"""# Written by `sagewright env`; read by the SageMaker Python SDKs.
SchemaVersion: '1.0'
SageMaker:
  PythonSDK:
    Modules:
      Session:
        DefaultS3Bucket: sagemaker-{region}-{account}
      TelemetryOptOut: true
"""


def _public_roots() -> str:
    """The public CAs a client would trust by itself: certifi's where it is installed, else the system's."""
    import ssl

    try:
        import certifi

        file: str | None = certifi.where()
    except ImportError:
        file = ssl.get_default_verify_paths().cafile
    return "\n" + Path(file).read_text() if file and Path(file).exists() else ""


def _first(entry: str, path: str, separator: str) -> str:
    """``path`` with ``entry`` at its head, once."""
    return separator.join([entry, *(p for p in path.split(separator) if p and p != entry)])


def _write(path: Path, text: str) -> Path:
    """Write unless it says so already; a client that starts meanwhile never reads half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text() != text:
        draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        draft.write_text(text)
        draft.replace(path)
    return path
