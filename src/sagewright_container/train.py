"""Script mode: runs the user's training program as the framework containers do.

A plain ``.py`` program runs in this very interpreter, which a warm parent may have forked with the framework already
imported: the program starts at once, and sees the same arguments, variables and working directory as a new process.
"""

import builtins
import os
import sys
import traceback
import types
from typing import Callable, List, Optional

from . import distribution, paths, sources
from .errors import ContainerError, ScriptError, write_failure
from .job import Job


def main(builtin: Optional[Callable[[Job], None]] = None, framework_module: Optional[str] = None) -> int:
    """Train: by the user's program when the job names one, else by ``builtin``. Returns the exit code."""
    job = Job(framework_module)
    try:
        if job.program:
            run_program(job)
        elif builtin is None:
            raise ScriptError(
                "ImportModuleError", 1, "the job names no program: set sagemaker_program, or a ContainerEntrypoint",
                ["train"],
            )  # fmt: skip
        else:
            builtin(job)
        succeeded()
    except ContainerError as e:
        write_failure(e.failure())
        return e.exit_code
    except SystemExit as e:
        return e.code if isinstance(e.code, int) else int(e.code is not None)
    except Exception:
        write_failure("Framework Error: \n" + traceback.format_exc()[-900:])
        return 1
    return 0


def succeeded() -> None:
    """Leave the empty file that says so, as AWS's toolkit does."""
    os.makedirs(paths.output(), exist_ok=True)
    with open(os.path.join(paths.output(), "success"), "w"):
        pass


def run_program(job: Job) -> None:
    """Fetch, install and run. Raises ScriptError when the program fails."""
    name = job.program or ""
    folder = sources.fetch(job.submit_directory, paths.code(), name)
    os.environ.update(job.variables())
    _python_path(folder)
    package = not name.endswith(".sh") and os.path.isfile(os.path.join(folder, "setup.py"))
    if package or _project(folder, name):
        sources.install_module(folder)
        package = True
    elif not name.endswith(".sh"):
        sources.install_requirements(folder)
    words = job.arguments()
    program = distribution.Program(name, words, folder, job.module if package else "")
    if not program.python and os.path.isfile(os.path.join(folder, name)):
        os.chmod(os.path.join(folder, name), 0o755)
    distribution.wait_for_hosts(job.hosts if len(job.hosts) > 1 else [])
    strategy = distribution.choose(job)
    if strategy is not None:
        distribution.expose_shims()
    command = program.command() if strategy is None else strategy.command(program)
    if strategy is None or strategy.starts:
        sys.stdout.write("Invoking script with the following command:\n\n%s\n\n" % " ".join(command))
    sys.stdout.flush()
    if strategy is not None:
        strategy.run(program)
    elif program.python and not program.module:
        _here(os.path.join(folder, name), folder, words)
    else:
        said = sources.run(command, folder)
        if said.returncode:
            raise ScriptError("ExecuteUserScriptError", said.returncode, said.words, command)


def _project(folder: str, name: str) -> bool:
    """Whether the program is a module of a package that pyproject.toml describes: it is no file here, or lies in a package."""
    if name.endswith(".sh") or not os.path.isfile(os.path.join(folder, "pyproject.toml")):
        return False
    return not os.path.isfile(os.path.join(folder, name))


def _python_path(folder: str) -> None:
    existing = os.environ.get("PYTHONPATH", "")
    os.environ["PYTHONPATH"] = folder + (os.pathsep + existing if existing else "")


def _here(path: str, folder: str, words: List[str]) -> None:
    """Run a program as ``__main__`` of this interpreter.

    Raises:
        ScriptError: it raised, or exited with another code than 0.
    """
    command = [sys.executable, os.path.relpath(path, folder), *words]
    try:
        with open(path, "rb") as file:
            source = file.read()
    except OSError as e:
        raise ScriptError("ExecuteUserScriptError", 2, "can't open file '%s': %s" % (path, e.strerror), command) from e
    module = types.ModuleType("__main__")
    module.__dict__.update(__file__=path, __builtins__=builtins)
    sys.modules["__main__"] = module
    sys.argv[:] = [os.path.relpath(path, folder), *words]
    sys.path.insert(0, os.path.dirname(path))
    os.chdir(folder)
    try:
        exec(compile(source, path, "exec"), module.__dict__)
    except SystemExit as e:
        code = e.code if isinstance(e.code, int) else int(e.code is not None)
        if isinstance(e.code, str):
            sys.stderr.write(e.code + "\n")
        if code:
            message = e.code if isinstance(e.code, str) else ""
            raise ScriptError("ExecuteUserScriptError", code & 0xFF, message, command) from None
    except BaseException as e:
        trace = e.__traceback__
        while trace is not None and trace.tb_frame.f_code.co_filename == _here.__code__.co_filename:
            trace = trace.tb_next
        traceback.print_exception(type(e), e.with_traceback(trace), trace)
        text = "".join(traceback.format_exception_only(type(e), e)).strip()
        raise ScriptError("ExecuteUserScriptError", 1, text, command) from None
    finally:
        sys.stdout.flush()
