"""Many models in one server: the contract of multi-model containers, each model with its own functions and modules.

``POST /models`` {"model_name", "url"} loads, ``GET /models`` and ``GET /models/{id}`` tell, ``DELETE /models/{id}`` unloads, and
``POST /models/{id}/invoke`` predicts. A model answers one request at a time, as it would alone; models do not wait for one
another, and neither does an answer for the loading of another model.
"""

import ctypes
import gc
import json
import os
import sys
import threading
from typing import Any, Callable, Dict, NamedTuple, Set, Tuple
from urllib.parse import parse_qs, unquote

from . import isolation
from .http import Request, Response
from .serve import Handler, Server, body_limit, error_response, listen

PAGE = 100
"""Models that one answer lists."""
NO_MEMORY = ("MemoryError", "OutOfMemoryError")
"""Names of exceptions after which another model has to go."""


def wanted() -> bool:
    """Whether the container is to serve many models."""
    return os.environ.get("SAGEMAKER_MULTI_MODEL", "").lower() == "true"


class _Loaded(NamedTuple):
    server: Server
    space: isolation.Space
    url: str


class Models(Server):
    """Serves any number of models.

    Args:
        make: a handler for the model in ``paths.model()``, not loaded yet.
    """

    def __init__(self, make: Callable[[], Handler], limit: int) -> None:
        super().__init__(Handler(), limit)
        self._make = make
        self._loaded: Dict[str, _Loaded] = {}
        self._loading: Set[str] = set()
        self._changing = threading.Lock()

    def _answer(self, request: Request) -> Response:
        parts = [unquote(part) for part in request.path.strip("/").split("/")]
        if parts == ["ping"] and request.method in ("GET", "HEAD"):
            return Response()
        if parts == ["models"] and request.method == "POST":
            return self._load(request)
        if parts == ["models"] and request.method == "GET":
            return self._list(request)
        if parts[0] == "models" and len(parts) in (2, 3):
            return self._one(request, parts[1], parts[2:])
        return _text(404, "not found")

    def _one(self, request: Request, name: str, rest: Any) -> Response:
        known = self._loaded.get(name)
        if known is None:
            return _text(404, "Model %s is not loaded" % name)
        if rest == ["invoke"] and request.method == "POST":
            with known.space.running():
                return known.server._invoke(request)
        if not rest and request.method == "GET":
            return _json(_about(name, known))
        if not rest and request.method == "DELETE":
            return self._unload(name)
        return _text(405 if rest in ([], ["invoke"]) else 404, "not allowed")

    def _load(self, request: Request) -> Response:
        try:
            said = json.loads(request.body)
            name, url = str(said["model_name"]), str(said["url"])
        except (ValueError, KeyError, TypeError):
            return _text(400, "give model_name and url")
        with self._changing:
            if name in self._loaded or name in self._loading:
                return _text(409, "Model %s is loaded already" % name)
            self._loading.add(name)
        try:
            self._loaded[name] = self._made(name, url)
        except BaseException as e:  # a script may raise SystemExit: that ends its loading, not the others' server
            if type(e).__name__ in NO_MEMORY:
                collect()
                return _text(507, "Model %s does not fit into memory: %s" % (name, e))
            return error_response(e if isinstance(e, Exception) else RuntimeError("%s: %s" % (type(e).__name__, e)))
        finally:
            self._loading.discard(name)
        return _json({"modelName": name, "modelUrl": url})

    def _made(self, name: str, url: str) -> _Loaded:
        if not os.path.isdir(url):
            raise FileNotFoundError("there is no folder %s" % url)
        space = isolation.Space(name, url)
        with space.loading():
            handler = self._make()
            handler.load()
        return _Loaded(Server(handler, self._limit), space, url)

    def _unload(self, name: str) -> Response:
        if self._loaded.pop(name, None) is None:
            return _text(404, "Model %s is not loaded" % name)
        collect()
        return Response()

    def _list(self, request: Request) -> Response:
        names = sorted(self._loaded)
        after = parse_qs(request.query).get("next_page_token", [""])[0]
        page = [name for name in names if name > after][:PAGE]
        answer: Dict[str, Any] = {"models": [_about(name, known) for name, known in self._known(page)]}
        if page and page[-1] != names[-1]:
            answer["nextPageToken"] = page[-1]
        return _json(answer)

    def _known(self, names: Any) -> "list[Tuple[str, _Loaded]]":
        return [(name, self._loaded[name]) for name in names if name in self._loaded]


def main(make: Callable[[], Handler]) -> int:
    """Serve until SIGTERM. Returns the exit code."""
    return listen(Models(make, body_limit()))


def collect() -> None:
    """Give the memory of what nobody needs any more back to the system."""
    gc.collect()
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError):
        sys.stderr.write("this C library keeps the memory of unloaded models for later\n")


def _about(name: str, known: _Loaded) -> Dict[str, str]:
    return {"modelName": name, "modelUrl": known.url}


def _json(value: Any) -> Response:
    return Response(json.dumps(value).encode(), "application/json")


def _text(status: int, message: str) -> Response:
    return Response(message.encode(), "text/plain; charset=utf-8", status)
