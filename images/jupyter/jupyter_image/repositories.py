"""Clones the workspace's repositories before JupyterLab starts, and tells git whom to ask for credentials, then and later.

SAGEWRIGHT_REPOSITORIES is a JSON list of {"url", "branch", "secret", "folder"}. A folder that is there is left as it is.
"""

import json
import os
import shlex
import shutil
import subprocess
import sys

HELPER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "credential.py")
AUTHORITIES, ALL_AUTHORITIES = "/opt/ml/workspace/git-authorities.pem", "/opt/ml/workspace/authorities.pem"
SYSTEM = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")
SECONDS = 300


def clone_all(environ=os.environ):
    """Clone what is not there yet. Returns 0, or 1 when one failed: the last line of the log says how."""
    repositories = json.loads(environ.get("SAGEWRIGHT_REPOSITORIES", "[]"))
    environ.update(configuration(repositories, environ))
    for one in repositories:
        if os.path.exists(one["folder"]):
            continue
        reason = clone(one, environ)
        if reason:
            print(f"The repository {one['url']} could not be cloned: {reason}", flush=True)
            return 1
    return 0


def configuration(repositories, environ):
    """Variables for every git of this workspace: who knows the credentials of a URL, and whose certificates count."""
    python = os.path.join(environ.get("VIRTUAL_ENV", ""), "bin", "python") if environ.get("VIRTUAL_ENV") else sys.executable
    pairs = [
        (f"credential.{one['url']}.helper", "!" + shlex.join([python, HELPER, one["secret"]])) for one in repositories if one["secret"]
    ]
    start = int(environ.get("GIT_CONFIG_COUNT", "0"))
    said = {"GIT_CONFIG_COUNT": str(start + len(pairs))} if pairs else {}
    for place, (key, value) in enumerate(pairs, start):
        said[f"GIT_CONFIG_KEY_{place}"], said[f"GIT_CONFIG_VALUE_{place}"] = key, value
    if os.path.exists(AUTHORITIES):
        system = next((path for path in SYSTEM if os.path.exists(path)), None)
        with open(ALL_AUTHORITIES, "w") as file:
            for path in filter(None, (system, AUTHORITIES)):
                with open(path) as source:
                    file.write(source.read() + "\n")
        said["GIT_SSL_CAINFO"] = ALL_AUTHORITIES
    return said


def clone(one, environ):
    """Clone one repository, whole or not at all; why not, or an empty string."""
    if shutil.which("git", path=environ.get("PATH")) is None:
        return "git is not installed on this machine"
    draft = f"{one['folder']}.part"
    shutil.rmtree(draft, ignore_errors=True)
    what = ["--branch", one["branch"]] if one["branch"] else []
    argv = ["git", "-c", "protocol.allow=never", "-c", "protocol.https.allow=always", "clone", *what, "--", one["url"], draft]
    try:
        done = subprocess.run(
            argv, env={**environ, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C.UTF-8"}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=SECONDS, check=False,
        )
    except subprocess.TimeoutExpired:
        shutil.rmtree(draft, ignore_errors=True)
        return f"it took more than {SECONDS} seconds"
    lines = [line.strip() for line in done.stdout.decode("utf-8", "replace").splitlines() if line.strip()]
    for line in lines:
        print(line.replace(draft, one["folder"]), flush=True)
    if done.returncode == 0:
        os.rename(draft, one["folder"])
        return ""
    shutil.rmtree(draft, ignore_errors=True)
    helped = [line for line in lines if line.startswith("credentials: ")]
    fatal = [line for line in lines if line.startswith("fatal:")]
    return " ".join([*(fatal or lines)[-1:], *helped[-1:]]) or f"git ended with code {done.returncode}"
