"""Serving by the user's script: model_fn, input_fn, predict_fn and output_fn, or one transform_fn."""

import importlib
import inspect
import os
import sys
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

from . import content, isolation, modelbuilder, models, paths, serve, sources, together
from .context import Context
from .http import Request, Response
from .job import decode
from .serve import Handler, error_response, guarded

Functions = Dict[str, Callable[..., Any]]
FORMATS = (content.JSON, content.JSONLINES, content.CSV, content.NPY, content.TEXT)


def required_model_fn(model_dir: str) -> Any:
    raise NotImplementedError(
        "the inference script defines no model_fn(model_dir): write one that loads the model of %s and returns it"
        % model_dir
    )


def default_input(body: bytes, content_type: str) -> Any:
    return content.decode(body, content_type)


def default_predict(data: Any, model: Any) -> Any:
    return model.predict(data)


def default_output(prediction: Any, accept: str) -> Tuple[bytes, str]:
    return content.encode(prediction, accept), accept


DEFAULTS: Functions = {
    "model_fn": required_model_fn, "input_fn": default_input, "predict_fn": default_predict,
    "output_fn": default_output,
}  # fmt: skip


def find_script() -> Optional[Tuple[str, str]]:
    """(folder, file name) of the user's inference script; None when the job brings none.

    SAGEMAKER_PROGRAM names it (inference.py otherwise); it lies in SAGEMAKER_SUBMIT_DIRECTORY, which may be an
    s3:// URI, in the model's ``code`` folder, or in /opt/ml/code.
    """
    environ = os.environ
    program = str(decode(environ.get("SAGEMAKER_PROGRAM") or "") or "inference.py")
    submit = str(decode(environ.get("SAGEMAKER_SUBMIT_DIRECTORY") or "") or "")
    folders = [os.path.join(paths.model(), "code"), paths.code(), paths.model()]
    if submit.startswith("s3://") or os.path.isfile(submit):
        # many models may share one script: it is fetched once
        folders.insert(0, sources.fetch(submit, paths.code(), program if models.wanted() else ""))
    elif submit:
        # the SDK names the place that the model's own code folder has inside a container
        folders.insert(0, submit.replace("/opt/ml", paths.base(), 1) if submit.startswith("/opt/ml/") else submit)
    for folder in folders:
        if os.path.isfile(os.path.join(folder, program)):
            return folder, program
    if environ.get("SAGEMAKER_PROGRAM"):
        raise FileNotFoundError("SAGEMAKER_PROGRAM %s was not found in %s" % (program, ", ".join(folders)))
    return None


def main(
    defaults: Optional[Functions] = None, builtin: Optional[Callable[[], Handler]] = None, joins: Optional[Callable[[Any], int]] = None
) -> int:
    """Serve one model, or many of them under SAGEMAKER_MULTI_MODEL, until SIGTERM. Returns the exit code.

    Each is served by its script, with ``defaults`` for what that leaves out; without a script by ``builtin``, or by the
    defaults alone when they have a ``model_fn``. ``joins``: how many requests ``predict_fn`` of the defaults may predict
    together, given a model: 1 unless that predicts each row for itself.
    """

    def made() -> Handler:
        found = find_script()
        if found is None and builtin is not None:
            return builtin()
        if found is None and "model_fn" not in (defaults or {}):
            raise FileNotFoundError("no inference script: put inference.py into the model's code folder, or set SAGEMAKER_PROGRAM")
        return Script(*(found or ("", "")), defaults=defaults, joins=joins)

    if models.wanted():
        return models.main(made)
    try:
        handler = made()
    except FileNotFoundError as e:
        sys.stderr.write("%s\n" % e)
        return 1
    return serve.main(handler)


class Script(Handler):
    """The user's functions where the script has them, ``defaults`` elsewhere; without a ``program``, these alone."""

    def __init__(
        self, folder: str, program: str, defaults: Optional[Functions] = None, joins: Optional[Callable[[Any], int]] = None
    ) -> None:
        self._folder = folder
        self._program = program
        self._functions: Functions = {**DEFAULTS, **(defaults or {})}
        self._rooms: Dict[str, int] = {}
        self._context = Context()
        self._joins, self._most = joins, 1
        self.model: Any = None

    def load(self) -> None:
        if self._program:
            self._import()
        self.model = self._call("model_fn", paths.model())
        default = not self._own("predict_fn") and "transform_fn" not in self._functions
        self._most = self._joins(self.model) if default and self._joins is not None else 1
        self.together = self._most > 1

    def _import(self) -> None:
        where = os.path.dirname(os.path.join(self._folder, self._program))
        space = isolation.current()
        if space is not None:
            space.expose(self._folder, where)
        else:
            for folder in (*sources.install_for_workers(self._folder, paths.packages()), self._folder):
                sources.expose(folder)
            sys.path.insert(0, where)
        with modelbuilder.importing(self._folder):
            module = importlib.import_module(os.path.basename(self._program).rpartition(".")[0] or self._program)
        modelbuilder.adapt(self._folder, module)
        for name in (*DEFAULTS, "transform_fn"):
            if hasattr(module, name):
                self._functions[name] = getattr(module, name)

    def invoke(self, request: Request) -> Response:
        if "transform_fn" in self._functions:
            accept, context, body = self._begin(request)
            result = self._call("transform_fn", self.model, body, request.content_type or content.JSON, accept)
            return _response(result, accept, context)
        asked = self._read(request)
        return self._write(asked, self._call("predict_fn", asked.data, self.model))

    def invoke_many(self, requests: Sequence[Request]) -> List[Response]:
        if len(requests) == 1 or not self.together:
            return super().invoke_many(requests)
        read = [_tried(self._read, request) for request in requests]
        good = [one for one in read if isinstance(one, _Asked)]
        found = iter(together.predict([one.data for one in good], lambda rows: self._call("predict_fn", rows, self.model), self._most))
        return [
            error_response(one) if isinstance(one, Exception) else guarded(lambda _, one=one: self._write(one, next(found)), request)
            for one, request in zip(read, requests)  # noqa: B905  (Python 3.8)
        ]

    def _begin(self, request: Request) -> Tuple[str, Context, Any]:
        """(content type of the answer, context, body as the user's function expects it)."""
        accept = self._accept(request)
        context = self._context = Context(request.headers)
        media = content.media(request.content_type or content.JSON)
        body: Any = request.body
        if (media.startswith("text/") or media in (content.JSON, content.JSONLINES)) and (
            self._own("input_fn") or "transform_fn" in self._functions
        ):
            body = body.decode("utf-8", "replace")  # scripts are written for text where the type is text
        return accept, context, body

    def _read(self, request: Request) -> "_Asked":
        accept, context, body = self._begin(request)
        return _Asked(accept, context, self._call("input_fn", body, request.content_type or content.JSON))

    def _write(self, asked: "_Asked", prediction: Any) -> Response:
        """Raises what was raised instead of a prediction."""
        if isinstance(prediction, Exception):
            raise prediction
        self._context = asked.context
        return _response(self._call("output_fn", prediction, asked.accept), asked.accept, asked.context)

    def _accept(self, request: Request) -> str:
        wanted = request.headers.get("accept", "")
        if "transform_fn" in self._functions or self._own("output_fn"):
            default = os.environ.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT") or content.JSON
            return default if wanted in ("", "*/*") else wanted
        return content.negotiate(wanted, FORMATS)

    def _own(self, name: str) -> bool:
        """Whether the function is the user's: the defaults live in an image or here."""
        module = getattr(self._functions[name], "__module__", "")
        return module == os.path.basename(self._program).rpartition(".")[0]

    def _call(self, name: str, *arguments: Any) -> Any:
        function = self._functions[name]
        room = self._rooms.get(name)
        if room is None:
            room = self._rooms[name] = _room(function, len(arguments))
        # newer frameworks' scripts take a context after the documented arguments
        return function(*arguments, *([self._context] if room > len(arguments) else []))


class _Asked(NamedTuple):
    """A request that has been read."""

    accept: str
    context: Context
    data: Any


def _tried(read: Callable[[Request], _Asked], request: Request) -> Any:
    try:
        return read(request)
    except Exception as error:
        return error


def _room(function: Any, otherwise: int) -> int:
    """How many arguments it takes."""
    try:
        return len(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return otherwise


def _response(result: Any, accept: str, context: Context) -> Response:
    """What a function returned: a body, (body, content type), or an object with ``response`` and ``mimetype``.

    What the functions said in the context counts over that.
    """
    content_type = accept
    if hasattr(result, "response") and hasattr(result, "mimetype"):
        content_type, result = result.mimetype or accept, result.response
    elif isinstance(result, tuple) and len(result) == 2 and isinstance(result[1], str):
        result, content_type = result
    content_type = context.content_type or content_type
    if inspect.isgenerator(result):
        parts: Any = result
        return Response(parts, content_type, context.status, context.headers)
    return Response(content.encode(result, content_type), content_type, context.status, context.headers)
