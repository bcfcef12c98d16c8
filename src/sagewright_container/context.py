"""What a script's functions may ask of the request, and say of the answer besides its body.

A function with a parameter more than documented gets a ``Context``. Its methods have the names, and the first argument
``idx``, that the model servers of AWS's containers give them; sessions are a convenience on top.

::

    def predict_fn(data, model, context):
        if context.wants_session:
            context.open_session(600)            # an id, in the answer's headers
        history = model.setdefault(context.session_id, [])
"""

import time
import uuid
from typing import Any, Dict, Optional

from . import paths

SESSION, NEW, CLOSED = "x-amzn-sagemaker-session-id", "X-Amzn-SageMaker-New-Session-Id", "X-Amzn-SageMaker-Closed-Session-Id"
ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
LASTING = 1200
"""Seconds of a session for which nothing else is said."""


class Context:
    """One request. ``headers``: its own, lower-cased; none while the model is loaded."""

    def __init__(self, headers: Optional[Dict[str, str]] = None) -> None:
        self._asked = headers or {}
        self.headers: Dict[str, str] = {}
        """The answer's."""
        self.content_type = ""
        self.status = 200
        self.system_properties: Dict[str, Any] = {"model_dir": paths.model(), "gpu_id": None}
        self._session = self._asked.get(SESSION, "")

    # -- the model servers' names

    def get_request_header(self, idx: int, key: str) -> Optional[str]:
        return self._asked.get(key.lower())

    def get_all_request_header(self, idx: int) -> Dict[str, str]:
        return dict(self._asked)

    def get_response_headers(self, idx: int) -> Dict[str, str]:
        return dict(self.headers)

    def set_response_header(self, idx: int, key: str, value: str) -> None:
        self.headers[key] = value

    def get_response_content_type(self, idx: int) -> str:
        return self.content_type

    def set_response_content_type(self, idx: int, value: str) -> None:
        self.content_type = value

    def set_response_status(self, code: int = 200, phrase: str = "", idx: int = 0) -> None:
        self.status = code

    # -- sessions

    @property
    def wants_session(self) -> bool:
        """Whether the caller asks for a new session."""
        return self._asked.get(SESSION, "") == "NEW_SESSION"

    @property
    def session_id(self) -> str:
        """The session that the request belongs to; empty if it belongs to none."""
        return "" if self._session == "NEW_SESSION" else self._session

    def open_session(self, seconds: float = LASTING, session_id: str = "") -> str:
        """Begin the session that the caller asks for; its id. After ``seconds`` the platform takes no request for it."""
        self._session = session_id or uuid.uuid4().hex
        ends = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))
        self.headers[NEW] = "%s; Expires=%s" % (self._session, ends)
        return self._session

    def close_session(self) -> None:
        """End the session that the request belongs to."""
        if self.session_id:
            self.headers[CLOSED] = self.session_id
