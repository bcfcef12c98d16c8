"""Starts JupyterLab on the Unix socket that the platform names. Nobody but its proxy, which knows who asks, reaches that."""

import os

FOLDER = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def arguments(environ=os.environ):
    """JupyterLab's command line."""
    return [
        f"--ServerApp.sock={environ['SAGEWRIGHT_SOCKET']}",
        f"--ServerApp.root_dir={environ['SAGEWRIGHT_ROOT']}",
        f"--ServerApp.base_url={environ['SAGEWRIGHT_BASE']}",
        f"--YDocExtension.disable_rtc={environ.get('SAGEWRIGHT_SHARED') != 'true'}",
    ]


def main():
    """Serve until SIGTERM. Returns the exit code."""
    environ = os.environ
    here = os.path.join(FOLDER, "config")
    environ["JUPYTER_CONFIG_PATH"] = os.pathsep.join(filter(None, [here, environ.get("JUPYTER_CONFIG_PATH")]))
    environ["PYTHONPATH"] = os.pathsep.join(filter(None, [environ.get("PYTHONPATH"), FOLDER]))
    environ.setdefault("JUPYTER_RUNTIME_DIR", "/tmp/jupyter")
    environ.setdefault("SHELL", "/bin/bash")
    os.chdir(environ["SAGEWRIGHT_ROOT"])
    from jupyterlab.labapp import LabApp

    LabApp.launch_instance(argv=arguments())
    return 0
