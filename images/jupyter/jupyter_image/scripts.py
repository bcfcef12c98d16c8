"""Lifecycle scripts: run before JupyterLab starts, each once in the life of the app.

SAGEWRIGHT_SCRIPTS is a JSON list of {"path", "mark", "seconds", "name"}. A line that begins with ``mark`` goes to the script's
own log stream, without it.
"""

import json
import os
import signal
import subprocess
import sys
import threading

DONE = "/opt/ml/workspace/done"
"""Folder that has a file for each script that has ended well: a server that is started again runs none a second time."""


def run_all(environ=os.environ):
    """Run the scripts in order. Returns 0, or 1 when one failed: the last line of the log says how."""
    for script in json.loads(environ.get("SAGEWRIGHT_SCRIPTS", "[]")):
        mark = os.path.join(DONE, script["name"])
        if os.path.exists(mark):
            continue
        reason = run(script, environ)
        if reason:
            print(f"{script['name']} failed: {reason}", flush=True)
            return 1
        os.makedirs(DONE, exist_ok=True)
        with open(mark, "w"):
            pass
    return 0


def run(script, environ):
    """Run one script; why it failed, or an empty string. What it started in the background goes on."""
    env = {**environ, "PATH": environ["PATH"] + ":/usr/local/sbin:/usr/local/bin:/usr/bin:/usr/sbin:/sbin:/bin"}
    last, late = [""], []
    process = subprocess.Popen(
        ["/bin/bash", script["path"]], cwd=script.get("cwd") or environ.get("HOME", "/"), env=env, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    )

    def end():
        late.append(True)
        os.killpg(process.pid, signal.SIGKILL)

    def pass_on():
        for raw in process.stdout:
            line = raw.decode("utf-8", "replace").rstrip("\r\n")
            last[0] = line.strip() or last[0]
            print(script["mark"] + line, flush=True)

    timer = threading.Timer(script["seconds"], end)
    reader = threading.Thread(target=pass_on, daemon=True)
    timer.start()
    reader.start()
    code = process.wait()
    timer.cancel()
    reader.join(2.0)  # what it left in the background may hold the pipe open for ever
    sys.stdout.flush()
    if late:
        return f"it did not end within {script['seconds']:g} seconds. Last log line: {last[0]}"
    return f"exit code {code}. Last log line: {last[0]}" if code else ""
