"""The client shim on stand-ins of the modules it adapts, and through a real import."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from sagewright_container import clientshim

Loop = Callable[..., Any]


class Sdk(ModuleType):
    """The waiting loops as both SDKs have them: sleep, ask, bear one kind of error."""

    def __init__(self) -> None:
        super().__init__("sdk")
        self.slept = 0

        def _wait_until(callable_fn: Callable[[], Any], poll: float = 5) -> Any:
            result = None
            while result is None:
                self.slept += 1
                try:
                    result = callable_fn()
                except PermissionError:
                    continue
            return result

        def _wait_until_training_done(callable_fn: Loop, desc: Any, poll: float = 5) -> Any:
            finished = False
            while not finished:
                self.slept += 1
                desc, finished = callable_fn(desc)
            return desc

        self._wait_until = _wait_until
        self._wait_until_training_done = _wait_until_training_done


@pytest.fixture
def sdk() -> Sdk:
    made = Sdk()
    clientshim.ask_first(made)
    return made


def answers(*values: Any) -> Callable[..., Any]:
    left = list(values)

    def ask(*_: Any) -> Any:
        value = left.pop(0)
        if isinstance(value, Exception):
            raise value
        return value

    return ask


def test_an_answer_that_is_there_costs_no_sleep(sdk: Sdk) -> None:
    assert sdk._wait_until(answers({"Status": "Completed"}), 30) == {"Status": "Completed"}
    assert sdk._wait_until_training_done(answers(("described", True)), None, poll=30) == "described"
    assert sdk.slept == 0


def test_otherwise_the_loop_is_the_sdks_own(sdk: Sdk) -> None:
    assert sdk._wait_until(answers(None, None, "done")) == "done"
    assert sdk.slept == 2
    assert sdk._wait_until_training_done(answers(("a", False), ("b", False), ("c", True)), "start") == "c"
    assert sdk.slept == 4


def test_a_falsy_answer_is_an_answer(sdk: Sdk) -> None:
    assert sdk._wait_until(answers({})) == {}
    assert sdk.slept == 0


def test_the_question_gets_what_the_loop_hands_on(sdk: Sdk) -> None:
    seen: list[Any] = []

    def ask(desc: Any) -> Any:
        seen.append(desc)
        return desc, True

    assert sdk._wait_until_training_done(ask, {"first": 1}) == {"first": 1}
    assert seen == [{"first": 1}]


def test_an_error_that_the_loop_bears_is_borne(sdk: Sdk) -> None:
    assert sdk._wait_until(answers(PermissionError(), PermissionError(), "done")) == "done"
    assert sdk.slept == 2


def test_any_other_error_is_raised(sdk: Sdk) -> None:
    with pytest.raises(LookupError, match="again"):
        sdk._wait_until(answers(LookupError("first"), LookupError("again")))
    with pytest.raises(LookupError, match="again"):
        sdk._wait_until_training_done(answers(LookupError("first"), LookupError("again")), None)


def test_a_module_without_loops_stays_as_it_is() -> None:
    module = ModuleType("other")
    before = dict(vars(module))
    clientshim.ask_first(module)
    clientshim.check_once(module)
    clientshim.look_often(module)
    clientshim.leave_threads(module)
    assert vars(module) == before


def test_a_display_that_looks_once_a_minute_looks_each_second() -> None:
    def _display_inference_recommendations_job_steps_status(session: object, client: object, job_name: str, poll: int = 60) -> int:
        return poll

    module = SimpleNamespace(_display_inference_recommendations_job_steps_status=_display_inference_recommendations_job_steps_status)
    clientshim.ask_first(module)
    display = module._display_inference_recommendations_job_steps_status
    assert (display(None, None, "job"), display(None, None, "job", 5)) == (1, 5)


def test_jobs_that_an_executor_runs_are_looked_at_each_second() -> None:
    module = SimpleNamespace(_API_CALL_LIMIT={"SubmittingIntervalInSecs": 1, "MinBatchPollingIntervalInSecs": 10, "PollingIntervalInSecs": 0.5})
    clientshim.look_often(module)
    assert module._API_CALL_LIMIT == {"SubmittingIntervalInSecs": 1, "MinBatchPollingIntervalInSecs": 1, "PollingIntervalInSecs": 0.5}


def test_the_end_waits_for_no_thread_of_a_module_that_looks_for_what_may_never_come() -> None:
    module = SimpleNamespace(threading=threading)
    clientshim.leave_threads(module)
    found: list[int] = []
    thread = module.threading.Thread(target=found.append, args=(1,))
    thread.start()
    thread.join()
    assert (thread.daemon, found, module.threading.Event) == (True, [1], threading.Event)
    assert not threading.Thread().daemon, "those of others stay as they are"


def test_a_program_that_trained_with_others_ends_a_moment_later(tmp_path: Path) -> None:
    """Through a real import, as PyTorch hands the name on; one that only imports it ends at once."""
    package = tmp_path / "torch" / "distributed"
    package.mkdir(parents=True)
    (tmp_path / "torch" / "__init__.py").touch()
    (package / "__init__.py").write_text("from .distributed_c10d import *\n")
    (package / "distributed_c10d.py").write_text("def init_process_group(backend):\n    return backend\n")
    (tmp_path / "sitecustomize.py").write_text(Path(clientshim.__file__).read_text())
    script = "import sys, time, torch.distributed as dist\ntime.sleep = lambda seconds: print('rests', seconds)\n{}print('done')\n"
    for joins, said in ("", "done\n"), ("print(dist.init_process_group('gloo'), dist.init_process_group('x'))\n", "gloo x\ndone\nrests 0.1\n"):
        ended = subprocess.run(
            [sys.executable, "-c", script.format(joins)], capture_output=True, text=True, check=True,
            env={"PYTHONPATH": str(tmp_path), "AWS_ENDPOINT_URL": "http://127.0.0.1:1"},
        )
        assert ended.stdout == said


def test_a_configuration_is_checked_once_until_it_changes() -> None:
    checked: list[Any] = []

    class Library(ModuleType):
        ValidationError = ValueError

        @staticmethod
        def validate(instance: Any, schema: Any, **_: Any) -> None:
            checked.append((instance, schema))
            if instance == {"bad": 1}:
                raise ValueError("no")

    module: Any = ModuleType("config")
    module.jsonschema = Library("jsonschema")
    clientshim.check_once(module)
    one, other = {"type": "object"}, {"type": "array"}
    for _ in range(3):
        module.jsonschema.validate({"a": 1}, one)
    assert len(checked) == 1
    module.jsonschema.validate({"a": 2}, one)
    module.jsonschema.validate({"a": 2}, other)
    assert len(checked) == 3
    for _ in range(2):
        with pytest.raises(module.jsonschema.ValidationError):
            module.jsonschema.validate({"bad": 1}, one)
    assert len(checked) == 5


def test_modules_are_adapted_as_they_are_imported(tmp_path: Path) -> None:
    package = tmp_path / "sagemaker" / "config"
    package.mkdir(parents=True)
    (tmp_path / "jsonschema.py").write_text("calls = []\ndef validate(instance, schema):\n    calls.append(instance)\n")
    (tmp_path / "sagemaker" / "__init__.py").write_text("")
    (package / "__init__.py").write_text("from .config import check")
    (package / "config.py").write_text("import jsonschema\nS = {}\ndef check(c):\n    jsonschema.validate(c, S)\n")
    (tmp_path / "sitecustomize.py").write_text(Path(clientshim.__file__).read_text())
    code = "import sagemaker.config as c, jsonschema; [c.check({}) for _ in range(5)]; print(len(jsonschema.calls))"
    for endpoint, expected in (("http://127.0.0.1:1", "1"), ("", "5")):
        done = subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONPATH": str(tmp_path), "AWS_ENDPOINT_URL": endpoint},
            capture_output=True, text=True, check=True,
        )
        assert done.stdout.strip() == expected


class Clock:
    """Time that passes by sleeping and by asking alone."""

    def __init__(self) -> None:
        self.now, self.slept = 0.0, 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept += seconds


def waiter(clock: Clock, takes: float, *statuses: str) -> Any:
    """botocore's own waiter, with a pause of 30 seconds and four attempts, whose answers take a time."""
    spec = importlib.util.find_spec("botocore.waiter")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)  # a copy: the one that others use stays as it is
    clientshim.ask_on(module, clock)
    left = list(statuses)

    def ask(**_: Any) -> dict[str, Any]:
        clock.now += takes
        return {"Status": left.pop(0)}

    accepted = [{"expected": "Done", "matcher": "path", "state": "success", "argument": "Status"}]
    config = module.SingleWaiterConfig({"operation": "Describe", "delay": 30, "maxAttempts": 4, "acceptors": accepted})
    return module.Waiter("done", config, ask)


def test_a_waiter_whose_answers_are_held_does_not_sleep() -> None:
    clock = Clock()
    waiter(clock, 25.0, "Busy", "Busy", "Done").wait(Name="x")
    assert (clock.now, clock.slept) == (75.0, 0.0)


def test_it_gives_up_no_sooner_than_without_the_shim() -> None:
    clock = Clock()
    with pytest.raises(Exception, match="Max attempts exceeded"):
        waiter(clock, 25.0, *["Busy"] * 8).wait(Name="x")
    assert clock.now >= 4 * 30


def test_a_waiter_whose_answers_come_at_once_sleeps() -> None:
    clock = Clock()
    waiter(clock, 0.25, "Busy", "Busy", "Done").wait(Name="x", WaiterConfig={"Delay": 7})
    assert clock.now == 14.25
    assert clock.slept == 13.5
