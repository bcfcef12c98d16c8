"""Many models in one model server: the contract, and modules that are each model's own."""

from __future__ import annotations

import json
import sys
import textwrap
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sagewright_container import handlers, isolation, paths
from sagewright_container.http import Request, Response
from sagewright_container.models import PAGE, Models
from sagewright_container.serve import Handler

SCRIPT = """
    import helpers
    from package.sub import VALUE as deep
    import package

    def model_fn(d):
        return open(d + "/word").read()

    def transform_fn(model, body, kind, accept):
        import helpers as again
        from package import sub
        assert again is helpers and sub.VALUE == deep
        return "%s %s %s %s" % (model, helpers.WORD, deep, body), "text/plain"
"""


class Bench:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.server = Models(lambda: handlers.Script(*(handlers.find_script() or ("", ""))), 1 << 20)

    def write(self, name: str, script: str = SCRIPT, **files: str) -> str:
        files = {"word": name, "code/inference.py": script, "code/helpers.py": f"WORD = {name.upper()!r}\n",
                 "code/package/__init__.py": "", "code/package/sub.py": f"from . import __name__ as n\nVALUE = n + {name!r}\n", **files}
        for path, text in files.items():
            place = self.folder / name / "model" / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(textwrap.dedent(text))
        return str(self.folder / name / "model")

    def call(self, method: str, path: str, body: bytes = b"", query: str = "") -> Response:
        return self.server._answer(Request(method, path, {"content-type": "text/plain"}, body, True, query))

    def load(self, name: str, url: str = "") -> Response:
        body = json.dumps({"model_name": name, "url": url or str(self.folder / name / "model")}).encode()
        return self.call("POST", "/models", body)

    def ask(self, name: str, body: str = "?") -> str:
        answer = self.call("POST", f"/models/{name}/invoke", body.encode())
        assert answer.status == 200, answer
        return bytes(answer.body).decode()  # type: ignore[arg-type]


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(tmp_path / "ml"))
    return Bench(tmp_path)


def test_each_model_has_its_own_modules_and_leaves_none_behind(bench: Bench) -> None:
    before = set(sys.modules)
    for name in ("one", "two", "three"):
        bench.write(name)
        assert bench.load(name).status == 200
    for name in ("one", "three", "two", "one"):
        assert bench.ask(name) == f"{name} {name.upper()} package{name} ?"
    assert not {name for name in set(sys.modules) - before if name.split(".")[0] in ("inference", "helpers", "package")}


def test_the_contract(bench: Bench) -> None:
    url = bench.write("one")
    assert bench.load("one").status == 200
    assert bench.load("one").status == 409
    assert json.loads(bytes(bench.call("GET", "/models/one").body)) == {"modelName": "one", "modelUrl": url}  # type: ignore[arg-type]
    assert bench.call("DELETE", "/models/one").status == 200
    for method, path in (("DELETE", "/models/one"), ("GET", "/models/one"), ("POST", "/models/one/invoke"), ("GET", "/nothing")):
        assert bench.call(method, path).status == 404
    assert bench.call("POST", "/models", b"{}").status == 400
    assert bench.call("GET", "/ping").status == 200
    assert bench.load("none").status == 500


def test_models_are_listed_by_the_page(bench: Bench) -> None:
    url = bench.write("m", "def model_fn(d):\n    return None\n")
    names = [f"m{number:03}" for number in range(PAGE + 5)]
    for name in names:
        assert bench.load(name, url).status == 200
    first = json.loads(bytes(bench.call("GET", "/models").body))  # type: ignore[arg-type]
    rest = json.loads(bytes(bench.call("GET", "/models", query=f"next_page_token={first['nextPageToken']}").body))  # type: ignore[arg-type]
    assert [one["modelName"] for one in first["models"] + rest["models"]] == names
    assert "nextPageToken" not in rest


@pytest.mark.parametrize(("script", "status", "text"), [
    ("raise ValueError('weights of another version')", 500, "weights of another version"),
    ("raise SystemExit(3)", 500, "SystemExit"),
    ("def model_fn(d):\n    raise MemoryError('2 TiB')", 507, "2 TiB"),
    ("import nothing_like_this", 500, "nothing_like_this"),
])
def test_a_load_that_fails_says_why(bench: Bench, script: str, status: int, text: str) -> None:
    bench.write("good")
    bench.load("good")
    bench.write("bad", script)
    answer = bench.load("bad")
    assert (answer.status, text in bytes(answer.body).decode()) == (status, True)  # type: ignore[arg-type]
    assert bench.ask("good").startswith("good GOOD")
    assert bench.call("POST", "/models/bad/invoke").status == 404


def test_classes_of_a_model_can_be_pickled_by_it(bench: Bench) -> None:
    script = """
        import pickle
        import helpers

        def model_fn(d):
            return pickle.dumps(helpers.Thing())

        def transform_fn(model, body, kind, accept):
            return pickle.loads(model).word() + pickle.loads(pickle.dumps(helpers.Thing())).word(), "text/plain"
    """
    for name in ("one", "two"):
        bench.write(name, script, **{"code/helpers.py": f"class Thing:\n    def word(self):\n        return {name!r}\n"})
        bench.load(name)
    assert [bench.ask(name) for name in ("one", "two", "one")] == ["oneone", "twotwo", "oneone"]


def test_others_answer_while_a_model_is_loaded_also_by_statements_that_import(bench: Bench) -> None:
    begun, go = threading.Event(), threading.Event()
    isolation.test_events = (begun, go)  # type: ignore[attr-defined]
    bench.write("fast")
    bench.load("fast")
    assert bench.ask("fast", "0") == "fast FAST packagefast 0"
    bench.write("slow", "from sagewright_container import isolation\n\ndef model_fn(d):\n    import helpers\n"
                        "    isolation.test_events[0].set()\n    isolation.test_events[1].wait()\n    return helpers.WORD\n\n"
                        "def transform_fn(model, body, kind, accept):\n    return model, kind\n")
    loading = threading.Thread(target=bench.load, args=("slow",))
    loading.start()
    try:
        assert begun.wait(10)
        assert bench.ask("fast", "1") == "fast FAST packagefast 1"
    finally:
        go.set()
        loading.join()
        del isolation.test_events  # type: ignore[attr-defined]
    assert bench.ask("slow") == "SLOW"


def test_what_the_environment_calls_by_the_same_name_comes_back(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs: Any = type(sys)("helpers")
    monkeypatch.setitem(sys.modules, "helpers", theirs)
    bench.write("one")
    bench.load("one")
    assert bench.ask("one") == "one ONE packageone ?"
    assert sys.modules["helpers"] is theirs


def test_requests_of_one_model_take_turns_and_those_of_others_do_not_wait(bench: Bench) -> None:
    inside, go = threading.Event(), threading.Event()

    class Waiting(Handler):
        def load(self) -> None:
            self.name = Path(paths.model()).parent.name

        def invoke(self, request: Request) -> Response:
            if self.name == "one":
                inside.set()
                go.wait(10)
            return Response(self.name.encode())

    make: Callable[[], Handler] = Waiting
    bench.server = Models(make, 1 << 20)
    for name in ("one", "two"):
        bench.write(name)
        bench.load(name)
    waiting = threading.Thread(target=bench.ask, args=("one",))
    waiting.start()
    try:
        assert inside.wait(10)
        assert bench.ask("two") == "two"
    finally:
        go.set()
        waiting.join()
