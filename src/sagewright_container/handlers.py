"""Serving by the user's script: model_fn, input_fn, predict_fn and output_fn, or one transform_fn."""

import importlib
import inspect
import os
import sys
from typing import Any, Callable, Dict, Optional, Tuple

from . import content, isolation, models, paths, serve, sources
from .context import Context
from .http import Request, Response
from .job import decode
from .serve import Handler

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


def main(defaults: Optional[Functions] = None, builtin: Optional[Callable[[], Handler]] = None) -> int:
    """Serve one model, or many of them under SAGEMAKER_MULTI_MODEL, until SIGTERM. Returns the exit code.

    Each is served by its script, with ``defaults`` for what that leaves out; without a script by ``builtin``, or by the
    defaults alone when they have a ``model_fn``.
    """

    def made() -> Handler:
        found = find_script()
        if found is None and builtin is not None:
            return builtin()
        if found is None and "model_fn" not in (defaults or {}):
            raise FileNotFoundError("no inference script: put inference.py into the model's code folder, or set SAGEMAKER_PROGRAM")
        return Script(*(found or ("", "")), defaults=defaults)

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

    def __init__(self, folder: str, program: str, defaults: Optional[Functions] = None) -> None:
        self._folder = folder
        self._program = program
        self._functions: Functions = {**DEFAULTS, **(defaults or {})}
        self._context = Context()
        self.model: Any = None

    def load(self) -> None:
        if self._program:
            self._import()
        self.model = self._call("model_fn", paths.model())

    def _import(self) -> None:
        where = os.path.dirname(os.path.join(self._folder, self._program))
        space = isolation.current()
        if space is not None:
            space.expose(self._folder, where)
        else:
            for folder in (*sources.install_for_workers(self._folder, paths.packages()), self._folder):
                sources.expose(folder)
            sys.path.insert(0, where)
        module = importlib.import_module(os.path.basename(self._program).rpartition(".")[0] or self._program)
        for name in (*DEFAULTS, "transform_fn"):
            if hasattr(module, name):
                self._functions[name] = getattr(module, name)

    def invoke(self, request: Request) -> Response:
        accept = self._accept(request)
        context = self._context = Context(request.headers)
        content_type = request.content_type or content.JSON
        body: Any = request.body
        if content.media(content_type).startswith("text/") or content.media(content_type) in (content.JSON, content.JSONLINES):
            # scripts are written for text where the type is text
            body = body.decode("utf-8", "replace") if self._own("input_fn") or "transform_fn" in self._functions else body
        if "transform_fn" in self._functions:
            return _response(self._call("transform_fn", self.model, body, content_type, accept), accept, context)
        data = self._call("input_fn", body, content_type)
        prediction = self._call("predict_fn", data, self.model)
        return _response(self._call("output_fn", prediction, accept), accept, context)

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
        try:
            room = len(inspect.signature(function).parameters)
        except (TypeError, ValueError):
            room = len(arguments)
        # newer frameworks' scripts take a context after the documented arguments
        return function(*arguments, *([self._context] if room > len(arguments) else []))


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
