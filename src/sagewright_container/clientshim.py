"""Runs as ``sitecustomize`` at the start of a Python client that ``sagewright env`` or ``sagewright exec`` configured, and of
a job's.

Seven things, and an eighth in jobs; no file of any package is touched, and without ``AWS_ENDPOINT_URL`` the seven are not done.

Both SageMaker SDKs pass ``endpoint_url="https://sts.<region>.amazonaws.com"`` to boto3, and an endpoint in code beats
``AWS_ENDPOINT_URL``. While that variable names another endpoint, an amazonaws.com address that code passes to a client
gives way to it.

Both SDKs' waiting loops sleep 5 to 30 seconds before they ask for the first time. Here they ask first, and sleep only
if the answer was "not yet"; the server holds that answer until the work is done, so that nobody waits for a poll.

botocore's waiters, on which both SDKs wait for pipelines, sleep 30 to 120 seconds between two questions. Where answers are
held, they spend that time asking again; how long they wait in all stays as it is.

Both SDKs check their configuration file against its schema anew for each value they look up in it, a fifth of a second
each, twenty times a ``fit()``. Here a configuration that has passed is not checked again until it changes.

SDK v2 looks for the failure of an asynchronous request that has succeeded for as long as it may wait for its answer, by default a
quarter of an hour, in a thread that holds up the end of the program. Here the end waits for no such thread. And both SDKs'
``RemoteExecutor`` looks at its jobs every ten seconds; here each second, for a look at one that runs is held.

PyTorch's process groups on CPUs have threads that abort a program which ends a moment too early for them. Here it ends a tenth of a
second later.

In a job, the SDK's MPI driver finds what it asks of SSH (``lend``).

This file is copied into ``<data>/client/python``, shown in sandboxes beside the toolkit, and imports nothing of Sagewright; Python 3.8 and later. Every Python
that starts pays for its imports, so there are almost none.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

WAITERS = ("_wait_until", "_wait_until_training_done")
"""Functions of the SDKs that sleep, then ask, until there is an answer."""
DISPLAYS = ("_display_inference_recommendations_job_steps_status",)
"""Functions that look once a minute, and once more when all is over; their only default says so."""
REST = 0.1
"""Seconds that a process which trained with others gives PyTorch's threads at its end."""
HELD = 1.0
"""Seconds after which an answer counts as one that the server held."""
AWS_ADDRESS = r"https?://([\w-]+\.)+(amazonaws\.com(\.cn)?|api\.aws|amazonaws\.eu)(:\d+)?/?"


def gives_way(endpoint_url: Any, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether an endpoint in code should give way to AWS_ENDPOINT_URL (or its form for one service)."""
    import re

    if not isinstance(endpoint_url, str) or not re.fullmatch(AWS_ADDRESS, endpoint_url, re.IGNORECASE):
        return False
    configured = [v for k, v in environ.items() if v and (k == "AWS_ENDPOINT_URL" or k.startswith("AWS_ENDPOINT_URL_"))]
    return bool(configured) and not any(re.fullmatch(AWS_ADDRESS, v, re.IGNORECASE) for v in configured)


def adapt(module: Any) -> None:
    """Let ``botocore.session.Session.create_client`` drop an AWS address that was given in code."""
    import functools

    session = module.Session
    create_client = session.create_client

    @functools.wraps(create_client)
    def adapted(self: Any, *args: Any, **kwargs: Any) -> Any:
        if gives_way(kwargs.get("endpoint_url")):
            kwargs["endpoint_url"] = None
        return create_client(self, *args, **kwargs)

    session.create_client = adapted


def ask_first(module: Any) -> None:
    """Let the waiting loops of an SDK's module ask before they sleep."""
    for name in WAITERS:
        if hasattr(module, name):
            setattr(module, name, _asking_first(getattr(module, name)))
    for name in DISPLAYS:
        if getattr(getattr(module, name, None), "__defaults__", None) == (60,):
            getattr(module, name).__defaults__ = (1,)


def _asking_first(wait: Any) -> Any:
    import functools

    @functools.wraps(wait)
    def asking(ask: Any, *args: Any, **kwargs: Any) -> Any:
        # _wait_until_training_done hands its second argument on to each question and gets (description, finished)
        described = wait.__name__ == "_wait_until_training_done"
        try:
            answer = ask(*args[:1]) if described else ask()
        except Exception:
            return wait(ask, *args, **kwargs)  # the loop knows which errors to bear
        if described:
            return answer[0] if answer[1] else wait(ask, *args, **kwargs)
        return wait(ask, *args, **kwargs) if answer is None else answer

    return asking


def ask_on(module: Any, clock: Any = None) -> None:
    """Let ``botocore.waiter.Waiter`` ask again during its pauses, where answers are held. ``clock``: the module ``time``."""
    import functools
    import threading
    import time

    clock = clock or time
    wait = module.Waiter.wait
    asked = threading.local()

    class Clock:
        """The module ``time``, but that a waiter's pause begins when it asks."""

        def __getattr__(self, name: str) -> Any:
            return getattr(clock, name)

        def sleep(self, seconds: float) -> None:
            clock.sleep(max(0.0, seconds - asked.took))

    @functools.wraps(wait)
    def waiting(self: Any, **kwargs: Any) -> Any:
        ask = self._operation_method
        pause = kwargs.get("WaiterConfig", {}).get("Delay", self.config.delay)
        acceptors = [acceptor for acceptor in self.config.acceptors if acceptor.state != "retry"]

        def asking(**params: Any) -> Any:
            first = clock.monotonic()
            while True:
                began = clock.monotonic()
                answer = ask(**params)
                now = clock.monotonic()
                asked.took = now - first
                if now - began < HELD or asked.took >= pause or any(acceptor.matcher_func(answer) for acceptor in acceptors):
                    return answer

        self._operation_method = asking
        try:
            return wait(self, **kwargs)
        finally:
            self._operation_method = ask

    module.Waiter.wait = waiting
    module.time = Clock()


def check_once(module: Any) -> None:
    """Let a module's ``jsonschema.validate`` remember what has passed."""
    library: Any = getattr(module, "jsonschema", None)
    if library is None:
        return
    passed: dict[str, Any] = {}

    class Remembering:
        """The library, but for ``validate``."""

        def __getattr__(self, name: str) -> Any:
            return getattr(library, name)

        def validate(self, instance: Any, schema: Any, *args: Any, **kwargs: Any) -> None:
            key = repr(instance)
            if passed.get(key) is not schema or args or kwargs:
                library.validate(instance, schema, *args, **kwargs)
                passed[key] = schema

    module.jsonschema = Remembering()


def look_often(module: Any) -> None:
    """Let ``RemoteExecutor`` look at its jobs each second instead of every ten: a look at one that runs is held."""
    limits: Any = getattr(module, "_API_CALL_LIMIT", None)
    if isinstance(limits, dict) and limits.get("MinBatchPollingIntervalInSecs", 0) > 1:
        limits["MinBatchPollingIntervalInSecs"] = 1


def leave_threads(module: Any) -> None:
    """Let the end of the program wait for no thread that a module starts."""
    library: Any = getattr(module, "threading", None)
    if library is None:
        return

    class Leaving:
        """The library, but for ``Thread``."""

        def __getattr__(self, name: str) -> Any:
            return getattr(library, name)

        def Thread(self, *args: Any, **kwargs: Any) -> Any:  # as the library has it
            return library.Thread(*args, **{"daemon": True, **kwargs})

    module.threading = Leaving()


def let_rest(module: Any) -> None:
    """Let the threads of PyTorch's process groups come to rest before the interpreter goes.

    gloo's let go of the last tensors a moment after the script has heard of them, for which they need the interpreter. One that
    comes too late aborts a program that has done all it had to (pytorch/pytorch#179291), in one of some twenty runs of a script
    whose model still holds the group: destroying the group ends no thread then. Nothing tells when they rest.
    """
    import atexit
    import functools
    import time

    join: Any = getattr(module, "init_process_group", None)
    if join is None:
        return

    def rest() -> None:
        time.sleep(REST)

    @functools.wraps(join)
    def joining(*args: Any, **kwargs: Any) -> Any:
        atexit.unregister(rest)  # once, however many groups
        atexit.register(rest)
        return join(*args, **kwargs)

    module.init_process_group = joining


ADAPTERS = {
    "botocore.session": adapt,
    "botocore.waiter": ask_on,
    "sagemaker.session": ask_first,
    "sagemaker.core.common_utils": ask_first,
    "sagemaker.core.helper.session_helper": ask_first,
    "torch.distributed.distributed_c10d": let_rest,
    "sagemaker.predictor_async": leave_threads,
    "sagemaker.remote_function.client": look_often,
    "sagemaker.core.remote_function.client": look_often,
    "sagemaker.config.config": check_once,
    "sagemaker_core.main.default_configs_helper": check_once,
    "sagemaker.core.config.config": check_once,
    "sagemaker.core.config.config_manager": check_once,
    "sagemaker.core.utils.intelligent_defaults_helper": check_once,
}
"""Module → what is done to it once it is loaded."""


class Finder:
    """Finds modules like everybody else and adapts some once they are loaded: no import happens before its time."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        change = ADAPTERS.get(name)
        if change is None:
            return None
        found = (finder.find_spec(name, path, target) for finder in sys.meta_path if finder is not self)
        spec: Any = next((s for s in found if s is not None), None)
        if spec is None or spec.loader is None:
            return None
        run = spec.loader.exec_module

        def exec_module(module: Any) -> None:
            run(module)
            change(module)

        spec.loader.exec_module = exec_module
        return spec


def start() -> None:
    """Install the finder, and adapt what is loaded already."""
    for name, change in ADAPTERS.items():
        if name in sys.modules:
            change(sys.modules[name])
    finder: Any = Finder()
    sys.meta_path.insert(0, finder)


def next_sitecustomize(here: str) -> None:
    """Run the sitecustomize that this one hides, if there is any."""
    from importlib.machinery import PathFinder

    path = [p for p in sys.path if os.path.realpath(p or ".") != here]
    spec = PathFinder.find_spec("sitecustomize", path)
    if spec is not None and spec.loader is not None:
        import importlib.util

        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)


def lend(here: str, argv: list[str]) -> None:
    """Let the SDK's MPI driver, which every such job brings along, find our stand-in where the image has no paramiko."""
    shims = os.path.join(here, "sagewright_container", "shims")
    if argv and os.path.basename(argv[0]) == "mpi_driver.py" and os.path.isdir(shims):
        sys.path.append(shims)


if __name__ == "sitecustomize":
    lend(os.path.dirname(os.path.abspath(__file__)), getattr(sys, "argv", []))
    if os.environ.get("AWS_ENDPOINT_URL"):
        start()
    next_sitecustomize(os.path.realpath(os.path.join(__file__, os.pardir)))
