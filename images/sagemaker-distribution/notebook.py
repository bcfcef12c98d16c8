"""Runs a notebook job: the notebook with its parameters, its result as .ipynb and .html, and a log.

The job's environment says which notebook, kernel and script; the job's hyperparameters are the notebook's parameters.
https://docs.aws.amazon.com/sagemaker/latest/dg/notebook-auto-run-constraints.html
"""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import papermill
from nbconvert import HTMLExporter

from sagewright_container.errors import CustomerError, ScriptError, write_failure
from sagewright_container.job import decode, read_config

OUT = Path("/opt/ml/output/data")
LOG = OUT / "sagemaker_job_execution_log.log"
WORK = Path("/tmp/notebook")


def main() -> int:
    """Returns the exit code; a failed cell leaves the notebook as far as it came."""
    OUT.mkdir(parents=True, exist_ok=True)
    try:
        with both():
            run(dict(os.environ))
    except ScriptError as error:
        write_failure(error.failure())
        return error.exit_code
    except CustomerError as error:
        write_failure(error.failure())
        return error.exit_code
    return 0


def run(environ: dict[str, str]) -> None:
    """Raises CustomerError for a job that names no notebook, ScriptError for one that fails."""
    source = Path(environ.get("SM_EXECUTION_INPUT_PATH", "/opt/ml/input/data/sagemaker_headless_execution"))
    name = environ.get("SM_INPUT_NOTEBOOK_NAME", "")
    if not name or not (source / name).is_file():
        raise CustomerError(f"SM_INPUT_NOTEBOOK_NAME names no notebook in {source}: {name!r}")
    shutil.copytree(source, WORK, dirs_exist_ok=True)  # notebooks write beside themselves; inputs are read-only
    os.chdir(WORK)
    if script := environ.get("SM_INIT_SCRIPT"):
        initialise(script)
    result = OUT / environ.get("SM_OUTPUT_NOTEBOOK_NAME", name)
    parameters = {key: decode(value) for key, value in read_config("hyperparameters.json").items()}
    try:
        papermill.execute_notebook(
            name, str(result), parameters=parameters, kernel_name=environ.get("SM_KERNEL_NAME") or None, cwd=str(WORK),
            log_output=True, stdout_file=sys.stdout, stderr_file=sys.stderr, progress_bar=False,
        )
    except papermill.PapermillExecutionError as error:
        raise ScriptError("NotebookExecutionError", 1, f"cell {error.exec_count}: {error.ename}: {error.evalue}", [name]) from None
    finally:
        page(result)


def initialise(script: str) -> None:
    done = subprocess.run(["bash", script], cwd=WORK, stdin=subprocess.DEVNULL, check=False)
    if done.returncode:
        raise ScriptError("InitScriptError", done.returncode, f"the initialization script {script} failed", ["bash", script])


def page(result: Path) -> None:
    """The notebook as a web page beside it."""
    if result.is_file():
        body, _ = HTMLExporter().from_notebook_node(nbformat.read(result, as_version=4))
        result.with_suffix(".html").write_text(body, encoding="utf-8")


class Tee:
    """A text stream that also goes to the log file."""

    def __init__(self, stream: Any, log: Any) -> None:
        self._stream, self._log = stream, log

    def write(self, text: str) -> int:
        self._log.write(text)
        return int(self._stream.write(text))

    def flush(self) -> None:
        self._stream.flush()
        self._log.flush()


@contextlib.contextmanager
def both() -> Iterator[None]:
    """What the notebook prints goes to the job's log and to a file among its results."""
    with LOG.open("w", encoding="utf-8") as log:
        out, err = sys.stdout, sys.stderr
        sys.stdout, sys.stderr = Tee(out, log), Tee(err, log)  # type: ignore[assignment]
        try:
            yield
        finally:
            sys.stdout, sys.stderr = out, err


if __name__ == "__main__":
    sys.exit(main())
