"""Which requests reach MLflow, and the IAM action each needs. Pure; deny by default.

Its AI gateway, assistant, webhooks and job runner are not offered: they call other hosts, or run programs, on somebody's word.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from urllib.parse import unquote

from ...wire.errors import AccessDenied, Invalid, NotFound

CALL_APP = "sagemaker:CallMlflowAppApi"
"""The one action of an app's REST API."""
ACCESS_UI = "sagemaker-mlflow:AccessUI"
_API = re.compile(r"/(?:ajax-)?api/\d\.\d(?:/preview)?(/mlflow/.+)")
_ARTIFACTS = re.compile(r"/(?:ajax-)?api/2\.0/mlflow-artifacts/(?:artifacts(?:/.*)?|mpu/(?:create|complete|abort)/.+|presigned/.+)")
_PAGES = re.compile(
    r"/|/(?:health|version|graphql|get-artifact|model-versions/get-artifact|server-info)|/static-files/.+|/(?:ajax-)?api/3\.0/mlflow/server-info"
    r"|/ajax-api/2\.0/mlflow/(?:metrics/get-history-bulk(?:-interval)?|experiments/search-datasets|upload-artifact"
    r"|get-trace-artifact|logged-models/[^/]+/artifacts/files)"
    r"|/ajax-api/3\.0/mlflow/(?:ui-telemetry|get-trace-artifact|issues/.*)"
    r"|/v1/traces"
)
_REFUSED = re.compile(r"/mlflow/(?:gateway|assistant|webhooks|prompt-optimization|workspaces|jobs|scorer)\b|gateway-proxy|promptlab")
_WRITES = {"PUT": "LogModel", "POST": "LogModel", "DELETE": "DeleteRun"}
ABSENT: dict[str, dict[str, list[str]]] = {"/ajax-api/2.0/mlflow/gateway-proxy": {"endpoints": []}}
"""What the pages ask of a gateway, and what MLflow itself answers where there is none; a refusal would be shown in red."""
SHOWN = ("/get-artifact", "/model-versions/get-artifact")


def decoded(path: str) -> str:
    """A raw path, decoded once. Raises Invalid for one that climbs or that would be read in two ways."""
    text = unquote(path)
    if any(part in (".", "..") for part in text.split("/")) or "\\" in text or not text.isprintable():
        raise Invalid(f"The path {path} cannot be used.")
    return text


def action(method: str, path: str) -> str:
    """The action that a request needs. ``path`` is decoded and begins below the server's own address.

    Raises:
        NotFound: no such thing is offered.
    """
    if _REFUSED.search(path):
        raise NotFound(f"{path} is not offered here: MLflow's gateway, assistant, webhooks and job runner are switched off.")
    if _ARTIFACTS.fullmatch(path):
        return f"sagemaker-mlflow:{_WRITES.get(method, 'ListArtifacts')}"
    if _PAGES.fullmatch(path):
        return ACCESS_UI
    if found := _API.fullmatch(path):
        for verb, pattern, name in _table():
            if verb == method and pattern.fullmatch(found[1]):
                return f"sagemaker-mlflow:{name}"
    raise NotFound(f"{method} {path} is no part of MLflow's API.")


def is_artifact(path: str) -> bool:
    """Whether the request carries a file rather than a document."""
    return _ARTIFACTS.fullmatch(path) is not None or path.endswith("/mlflow/upload-artifact")


def shows_a_file(path: str) -> bool:
    """Whether the answer is somebody's file, which a browser must not take for a page of ours."""
    return path in SHOWN or "/artifacts/" in path or path.endswith(("/artifacts/files", "/get-trace-artifact"))


def check_body(path: str, body: bytes) -> None:
    """Refuse what would make MLflow read files of its own machine: its records must point to S3 or to itself.

    Raises:
        AccessDenied: an artifact location or source of another kind.
    """
    for suffix, member in (("/mlflow/experiments/create", "artifact_location"), ("/mlflow/model-versions/create", "source")):
        if path.endswith(suffix):
            try:
                where = json.loads(body or b"{}").get(member) or ""
            except (ValueError, AttributeError):
                return  # MLflow says what is wrong with it
            if where and not str(where).lower().startswith(("s3://", "mlflow-artifacts:", "runs:/", "models:/")):
                raise AccessDenied(f"{member} must be an s3:// or mlflow-artifacts: URI, not {where}.")


@cache
def _table() -> tuple[tuple[str, re.Pattern[str], str], ...]:
    rows = []
    for line in (Path(__file__).parent / "actions.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            method, path, name = line.split()
            rows.append((method, re.compile(re.escape(path).replace(r"\*", "[^/]+")), name))
    # exact paths before those with a segment that may be anything
    return tuple(sorted(rows, key=lambda row: row[1].pattern.count("[^/]+")))
