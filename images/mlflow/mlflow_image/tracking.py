"""Upstream's tracking server on the Unix socket that the platform names.

SAGEWRIGHT_MLFLOW_STORE is the backend store's URI, SAGEWRIGHT_MLFLOW_ARTIFACTS where artifacts go: new experiments keep
theirs below it, and what clients send through ``mlflow-artifacts:`` lies there too. Nobody but the platform's gateway
reaches the socket; it has authenticated every request.
"""

import os
import sqlite3
import sys

PING = b"/ping"


def main():
    """Serve until SIGTERM. Returns the exit code."""
    environ = os.environ
    store, artifacts = environ["SAGEWRIGHT_MLFLOW_STORE"], environ["SAGEWRIGHT_MLFLOW_ARTIFACTS"]
    # what upstream's own command line sets for its workers
    environ["_MLFLOW_SERVER_FILE_STORE"] = store
    environ["_MLFLOW_SERVER_REGISTRY_STORE"] = store
    environ["_MLFLOW_SERVER_ARTIFACT_ROOT"] = artifacts
    environ["_MLFLOW_SERVER_ARTIFACT_DESTINATION"] = artifacts
    environ["_MLFLOW_SERVER_SERVE_ARTIFACTS"] = "true"
    environ.setdefault("MLFLOW_SERVER_ALLOWED_HOSTS", "model")
    if store.startswith("sqlite:///"):
        prepare(store[len("sqlite:///"):])
    try:
        import mlflow.server.fastapi_app  # noqa: F401
    except ImportError:
        return under_gunicorn(store, artifacts)
    return under_uvicorn(store, artifacts)


def prepare(path):
    """Readers and the writer of a file in WAL mode do not wait for each other."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA journal_mode=WAL")


def tables(store, artifacts):
    """Make what is missing in the store before the first request asks for it."""
    from mlflow.server.handlers import initialize_backend_stores

    initialize_backend_stores(store, store, artifacts)


def under_uvicorn(store, artifacts):
    environ = os.environ
    environ["_MLFLOW_SGI_NAME"] = "uvicorn"
    import uvicorn
    from mlflow.server.fastapi_app import app as upstream

    async def app(scope, receive, send):
        if scope["type"] == "http" and scope["path"] == PING.decode():
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
            await send({"type": "http.response.body", "body": b""})
        else:
            await upstream(scope, receive, send)

    tables(store, artifacts)
    uvicorn.run(
        app, uds=environ["SAGEWRIGHT_SOCKET"], access_log=False, log_level="info", timeout_keep_alive=120,
        server_header=False, timeout_graceful_shutdown=10,
    )
    return 0


def under_gunicorn(store, artifacts):
    """Releases before 3.3 are WSGI alone."""
    os.environ["_MLFLOW_SGI_NAME"] = "gunicorn"
    from gunicorn.app.base import BaseApplication
    from mlflow.server import app as upstream

    def app(environ, start_response):
        if environ["PATH_INFO"].encode() == PING:
            start_response("200 OK", [("Content-Length", "0")])
            return [b""]
        return upstream(environ, start_response)

    class Application(BaseApplication):
        def load_config(self):
            self.cfg.set("bind", "unix:" + os.environ["SAGEWRIGHT_SOCKET"])
            self.cfg.set("worker_class", "gthread")
            self.cfg.set("threads", 16)
            self.cfg.set("timeout", 300)
            self.cfg.set("keepalive", 120)
            self.cfg.set("worker_tmp_dir", "/dev/shm")
            self.cfg.set("control_socket_disable", True) if "control_socket_disable" in self.cfg.settings else None

        def load(self):
            return app

    tables(store, artifacts)
    sys.stdout.flush()
    Application().run()
    return 0
