"""Jupyter server's extension: ``/ping``, fresh credentials, and who a visitor is."""

import json

from jupyter_server.auth.identity import IdentityProvider, User
from tornado.web import RequestHandler

from jupyter_image.keys import CREDENTIALS, FORM, write

VISITOR = "X-Sagewright-User"
"""Header in which the proxy says who asks; it lets nobody else set it."""


class Visitor(IdentityProvider):
    """Everybody who comes this far has been let in by the proxy."""

    def get_user(self, handler):
        name = handler.request.headers.get(VISITOR, "") or "workspace"
        shown = name.rsplit("/", 1)[-1]
        return User(username=name, name=shown, display_name=shown, initials=shown[:2].upper())


class Ping(RequestHandler):
    def get(self):
        self.finish()


class Credentials(RequestHandler):
    def put(self):
        """Take temporary keys in the form of ``credential_process``: whole in place of the old ones."""
        given = json.loads(self.request.body)
        write(CREDENTIALS, json.dumps({name: given[name] for name in FORM}))
        self.set_status(204)
        self.finish()


def _load_jupyter_server_extension(serverapp):
    serverapp.web_app.add_handlers(".*$", [("/ping", Ping), ("/sagewright/credentials", Credentials)])


load_jupyter_server_extension = _load_jupyter_server_extension
